"""A plan to look at, as text for a person; ``plan_json`` has it for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from git_theta.merging.change_sums import ChangeSums, add_up_facts, describe_facts, describe_total
from git_theta.merging.planning.decisions import BASE, CONTESTED_STATES, Decision, DecisionState, Entries, names_of
from git_theta.merging.planning.plan import Plan
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import StrategyChooser, is_merged_apart, treat_decision
from git_theta.words import escape_unprintable, join_some, pluralize

Sums = Mapping[str, ChangeSums]
"""By the name of a decision, what heads changed of it and what the merge makes of that."""

NonfiniteCounter = Callable[[Decision], Mapping[str, int]]
"""How many numbers of a contested parameter are NaN or infinite, by version."""

_REASONS = {
    DecisionState.UNCHANGED: "nobody changed it",
    DecisionState.CHANGED: "{by} changed it",
    DecisionState.CHANGED_SAME: "{by} made the same change",
    DecisionState.ADDED: "{by} added it",
    DecisionState.ADDED_SAME: "{by} added the same",
    DecisionState.REMOVED: "{by} removed it",
    DecisionState.REMOVED_SAME: "{by} removed it",
    DecisionState.CONTESTED: "{by} changed it differently",
    DecisionState.ADDED_DIFFERENTLY: "{by} added it differently",
    DecisionState.REMOVED_MODIFIED: "{without} removed it, {left} changed it",
    DecisionState.SPEC_CHANGED: "its dtype or shape differs",
    DecisionState.NAMES_CHANGED: "the names that share its values differ",
}


NOTHING_LEFT: Mapping[str, str] = MappingProxyType({})
"""Where a strategy settles all that it was chosen for."""
_NOT_MEASURED: Sums = MappingProxyType({})


def explain_decision(plan: Plan, decision: Decision) -> str:
    """Why a decision is what it is, in words."""
    changed = [(plan.labels[head], decision.heads[head]) for head in decision.by]
    words = _REASONS[decision.state].format(
        by=_join_words(label for label, _ in changed),
        without=_join_words(label for label, held in changed if not held),
        left=_join_words(label for label, held in changed if held),
    )
    if decision.group:
        words += f" ({decision.group.name}: together)"
    say = _describe_ties if decision.state is DecisionState.NAMES_CHANGED else _describe_specs
    sides = [(label, say(held)) for label, held in [("base", decision.base), *changed] if decision.names and held]
    differ = len({said for _, said in sides}) > 1
    return f"{words} ({'; '.join(map(' '.join, sides))})" if differ else words


def render_plan(
    plan: Plan,
    choose: StrategyChooser | None = None,
    count: NonfiniteCounter | None = None,
    left: Mapping[str, str] = NOTHING_LEFT,
    sums: Sums = _NOT_MEASURED,
) -> str:
    """The plan in a few lines: counts by state, the frame, and all that is contested.

    Args:
        plan: the plan.
        choose: tells what a contested parameter would be merged with; without it they are only named.
        count: counts NaN and infinite numbers of a contested parameter by version; without it nothing is said of them.
        left: by name ("" for the file), why what was chosen does not settle a contested parameter.
        sums: what was measured of parameters that are to be computed.
    """
    lines = list(_summarize_plan(plan))
    if facts := add_up_facts(sums.values()):
        lines.append(f"computed: {describe_total(facts)}")
    for decision in plan.contested:
        lines.append(f"contested: {_spell_names(decision)}: {explain_decision(plan, decision)}")
        if choose:
            lines += _describe_choice(decision, choose, left)
        if decision.name in sums:
            lines.append(f"    {describe_facts(sums[decision.name].facts())}")
        for label, number in count(decision).items() if count else ():
            lines.append(f"    {pluralize(number, 'NaN or infinite number')} in {label}")
    return "".join(f"{line}\n" for line in lines)


def foresee_choice(decision: Decision, choose: StrategyChooser, left: Mapping[str, str]) -> tuple[Choice | None, str]:
    """What a contested parameter will be merged with, None for a conflict; and why that is one, or "".

    Args:
        decision: of the plan.
        choose: tells what was chosen for it.
        left: by name ("" for the file), why what was chosen does not settle a contested parameter.
    """
    treated = treat_decision(decision, choose(decision))
    if decision.name in left:
        return None, left[decision.name] or treated.reason
    return treated.choice, treated.reason


def _describe_choice(decision: Decision, choose: StrategyChooser, left: Mapping[str, str]) -> Iterator[str]:
    choice, reason = foresee_choice(decision, choose, left)
    if choice is None:
        yield f"    conflict ({reason})" if reason else "    conflict"
        return
    yield f"    {choice} ({choice.origin})"
    if is_merged_apart(decision, choice):
        yield f"    {choice.strategy} of each factor is not that of their products; see adapter-svd"


def _spell_names(decision: Decision) -> str:
    names = decision.names if decision.group else decision.names[:1]
    return escape_unprintable(join_some(names)) or "the file"


def _summarize_plan(plan: Plan) -> Iterator[str]:
    states = Counter((decision.state, decision.by) for decision in plan.decisions)
    yield (
        "not by parameters: one of the files is opaque, or has no names for its tensors"
        if plan.whole
        else pluralize(len(plan.decisions), "parameter")
    )
    for state, by in sorted(states, key=lambda key: (list(DecisionState).index(key[0]), key[1])):
        heads = f" ({_join_words(plan.labels[head] for head in by)})" if by else ""
        yield f"  {states[state, by]} {state.value.replace('-', ' ')}{heads}"
    by_keys = "; merged key by key" if plan.frame.state in CONTESTED_STATES and plan.frame not in plan.contested else ""
    yield f"{'file' if plan.whole else 'frame'}: {explain_decision(plan, plan.frame)}{by_keys}"
    yield f"layout: {'that of' if plan.exact else 'built like'} {label_source(plan, plan.like)} ({plan.format})"


def label_source(plan: Plan, source: int) -> str:
    """What people call a head, or BASE."""
    return "base" if source == BASE else plan.labels[source]


def _describe_specs(held: Entries) -> str:
    return ", ".join(f"{entry.dtype} {list(entry.shape)}" for entry in held)


def _describe_ties(held: Entries) -> str:
    return " and ".join(" = ".join(map(escape_unprintable, names_of(entry))) for entry in held)


def _join_words(items: Iterable[str]) -> str:
    *others, last = list(items) or [""]
    return f"{', '.join(others)} and {last}" if others else last
