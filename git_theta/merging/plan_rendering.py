"""A plan to look at: text for a person, and JSON for programs (docs/spec/plan.schema.json)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from git_theta.merging.change_sums import (
    ChangeSums,
    add_up_facts,
    describe_facts,
    describe_total,
    facts_json,
)
from git_theta.merging.decisions import BASE, Decision, DecisionState, Entries, names_of
from git_theta.merging.plan import Plan
from git_theta.merging.policy import Choice
from git_theta.merging.treatments import StrategyChooser, find_kind_of, is_merged_apart, treat_decision
from git_theta.words import escape_unprintable, join_some, pluralize

SCHEMA_VERSION = 1
"""Of the schema: it grows when a program that read the former one would be misled."""

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


_NOTHING_LEFT: Mapping[str, str] = MappingProxyType({})
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


def plan_json(
    plan: Plan,
    choose: StrategyChooser | None = None,
    count: NonfiniteCounter | None = None,
    left: Mapping[str, str] = _NOTHING_LEFT,
    sums: Sums | None = None,
) -> dict[str, Any]:
    """The plan as docs/spec/plan.schema.json has it.

    Args:
        plan: the plan.
        choose: tells what a contested parameter would be merged with; without it nothing is said about that.
        count: counts NaN and infinite numbers of a contested parameter by version; without it nothing is said of them.
        left: by name ("" for the file), why what was chosen does not settle a contested parameter.
        sums: what was measured of parameters that are to be computed; without it nothing is said of changes.
    """
    return {
        "version": SCHEMA_VERSION,
        "heads": list(plan.labels),
        "base": plan.base is not None,
        "format": plan.format,
        "whole": plan.whole,
        "like": _label(plan, plan.like),
        "exact": plan.exact,
        "counts": {state.value: count for state, count in plan.counts.items()},
        "frame": _decision_json(plan, plan.frame, choose if plan.whole and plan.contested else None, left),
        "parameters": [_parameter_json(plan, decision, choose, count, left, sums) for decision in plan.decisions],
        "layout": [{"name": place.name, "from": _label(plan, place.source)} for place in plan.layout],
    } | ({} if sums is None else {"changes": facts_json(add_up_facts(sums.values()))})


def render_plan(
    plan: Plan,
    choose: StrategyChooser | None = None,
    count: NonfiniteCounter | None = None,
    left: Mapping[str, str] = _NOTHING_LEFT,
    sums: Sums = _NOT_MEASURED,
) -> str:
    """The plan in a few lines: counts by state, the frame, and all that is contested.

    Args:
        plan: the plan.
        choose: tells what a contested parameter would be merged with; without it they are only named.
        count: see ``plan_json``.
        left: the same.
        sums: the same.
    """
    lines = list(_summarize_plan(plan))
    if facts := add_up_facts(sums.values()):
        lines.append(f"computed: {describe_total(facts)}")
    for decision in plan.contested:
        lines.append(f"contested: {_spell_names(decision)}: {explain_decision(plan, decision)}")
        if choose:
            treated = treat_decision(decision, choose(decision))
            reason = left.get(decision.name, "") or treated.reason
            choice, because = None if decision.name in left else treated.choice, f" ({reason})" if reason else ""
            lines.append(f"    {choice} ({choice.origin})" if choice else f"    conflict{because}")
            if choice and is_merged_apart(decision, choice):
                lines.append(f"    {choice.strategy} of each factor is not that of their products; see adapter-svd")
        if decision.name in sums:
            lines.append(f"    {describe_facts(sums[decision.name].facts())}")
        for label, number in count(decision).items() if count else ():
            lines.append(f"    {pluralize(number, 'NaN or infinite number')} in {label}")
    return "".join(f"{line}\n" for line in lines)


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
    yield f"{'file' if plan.whole else 'frame'}: {explain_decision(plan, plan.frame)}"
    yield f"layout: {'that of' if plan.exact else 'built like'} {_label(plan, plan.like)} ({plan.format})"


def _parameter_json(
    plan: Plan,
    decision: Decision,
    choose: StrategyChooser | None,
    count: NonfiniteCounter | None,
    left: Mapping[str, str],
    sums: Sums | None,
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if sums is not None and decision.source is None:
        changes["changes"] = facts_json(sums[decision.name].facts()) if decision.name in sums else None
    nonfinite = {"nonfinite": dict(count(decision))} if count and decision.source is None else {}
    return {
        "name": decision.name,
        "names": list(decision.names),
        **_decision_json(plan, decision, choose if decision.source is None else None, left),
        **nonfinite,
        **changes,
        "base": _entries_json(decision.base),
        "heads": list(map(_entries_json, decision.heads)),
    }


def _decision_json(
    plan: Plan, decision: Decision, choose: StrategyChooser | None, left: Mapping[str, str]
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "state": decision.state.value,
        "by": [plan.labels[head] for head in decision.by],
        "take": None if decision.source is None else _label(plan, decision.source),
        "reason": explain_decision(plan, decision),
    }
    if choose is None:
        return data
    kind, treated = find_kind_of(decision), treat_decision(decision, choose(decision))
    kinds = {"kind": kind.name if kind else None} if decision.names else {}
    reason = left.get(decision.name, "") or treated.reason
    choice = None if decision.name in left else treated.choice
    return data | kinds | {"strategy": _choice_json(choice), "left": reason or None}


def _choice_json(choice: Choice | None) -> dict[str, Any] | None:
    return choice and {"name": choice.strategy, "options": dict(choice.options), "origin": choice.origin}


def _entries_json(held: Entries) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "oid": entry.oid,
            "ties": list(names_of(entry)[1:]),
        }
        for entry in held
    ]


def _label(plan: Plan, source: int) -> str:
    return "base" if source == BASE else plan.labels[source]


def _describe_specs(held: Entries) -> str:
    return ", ".join(f"{entry.dtype} {list(entry.shape)}" for entry in held)


def _describe_ties(held: Entries) -> str:
    return " and ".join(" = ".join(map(escape_unprintable, names_of(entry))) for entry in held)


def _join_words(items: Iterable[str]) -> str:
    *others, last = list(items) or [""]
    return f"{', '.join(others)} and {last}" if others else last
