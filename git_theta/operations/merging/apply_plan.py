"""A plan carried out: contested parameters through their strategies, streamed, and the merged file's manifest.

What ids decide is decided without a tensor and without torch (L8). What nobody chose a strategy for stays contested:
the merged file holds ours for it, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry
from git_theta.merging.base import ContestReport
from git_theta.merging.planning.decisions import BASE, SIDES, Decision
from git_theta.merging.planning.plan import Plan, settle_contested
from git_theta.merging.policies.policy import CONFLICT, Choice
from git_theta.merging.policies.treatments import treat_decision
from git_theta.operations.context import Context
from git_theta.operations.merging.assemble import assemble_manifest
from git_theta.operations.merging.bound_facts import BoundFacts
from git_theta.operations.merging.frame_choices import FrameChooser, choose_whole
from git_theta.operations.merging.frame_merge import FrameChoices, merge_frame
from git_theta.operations.merging.merge_results import (
    NO_BASE,
    NOTHING_SETTLED,
    AppliedStrategy,
    Choose,
    ContestedDecision,
    MergeResult,
    MergeSettings,
    SettledBefore,
)
from git_theta.operations.merging.strategy_jobs import StrategyJob, make_jobs, run_jobs, settled_members


class SettledPlan(NamedTuple):
    """A plan with what was chosen for it, by name what strategies computed, what they did, and what is left."""

    plan: Plan
    computed: Mapping[str, Entry]
    applied: tuple[AppliedStrategy, ...]
    left: tuple[ContestedDecision, ...]


def apply_plan(
    made: Plan, choose: Choose, settings: MergeSettings, context: Context, before: SettledBefore = NOTHING_SETTLED
) -> MergeResult:
    """Carry out a plan.

    Args:
        made: what is to be merged.
        choose: the strategy for a contested parameter, or None to leave it. It is asked about the frame too where more
            than one head changed what is no parameter: about each contested key, or, where the format tells no keys,
            about all of it (a decision without names). Strategies that take a side settle that; those that compute
            leave ours for plain values, and say so, and settle nothing that may be more.
        settings: how to compute.
        context: what to work with.
        before: what was settled earlier.

    Everything that the manifest names is durable. Raises UsageError for strategies and options that do not exist,
    MissingObject and CorruptObject for parameters that cannot be read; nothing but unreachable objects is left then.
    """
    chooser = FrameChooser(choose, before.frame, has_base=made.base is not None)
    choices = FrameChoices(chooser.choose_source, partial(_choose_side, choose, made), before.bound)
    framed = merge_frame(made, context, choices)
    settled = settle_plan(
        framed.plan, choose, settings, context, contested=framed.whole, bound=framed.bound if framed.is_whole else None
    )
    # What is bound to the frame is never computed, and comes from where it was taken now.
    bound = framed.bound.names if framed.bound else frozenset()
    computed = {name: entry for name, entry in {**before.computed, **settled.computed}.items() if name not in bound}
    file = assemble_manifest(settled.plan, computed, context, framed.template)
    about = [] if framed.whole else chooser.list_outcomes(framed)
    framing = [item for item in about if isinstance(item, AppliedStrategy)]
    unframed = [item for item in about if isinstance(item, ContestedDecision)]
    sources = {item.decision.name: item.decision.source for item in framed.settled if item.decision.source is not None}
    by_keys = framed.settled or framed.contested or framed.template or (bound and not framed.is_whole)
    return MergeResult(
        file,
        settled.plan,
        (*framing, *settled.applied),
        (*unframed, *settled.left),
        sources if by_keys else None,
    )


def settle_plan(
    made: Plan,
    choose: Choose,
    settings: MergeSettings,
    context: Context,
    *,
    contested: str = "",
    bound: BoundFacts | None = None,
) -> SettledPlan:
    """Settle what is contested; what strategies compute is stored. See ``apply_plan``.

    ``contested``: what of the frame, or of a file in one piece, is, in words. ``bound``: facts of the frame that come
    from one side with it, and with the tensors they are about.
    """
    made, about_frame = choose_whole(made, choose, contested)
    made = bound.follow_frame(made) if bound else made
    sides, jobs, left = sort_contested(made, choose, settings, context)
    new, applied = run_jobs(jobs, context)
    new |= settled_members(jobs)
    settled = settle_contested(made, sides | {job.decision.name: first_head(job.decision) for job in jobs})
    chosen = [AppliedStrategy(item, choice, ContestReport()) for item, choice in _side_choices(made, choose, sides)]
    framing = [item for item in about_frame if isinstance(item, AppliedStrategy)]
    unframed = [item for item in about_frame if isinstance(item, ContestedDecision)]
    return SettledPlan(settled, new, (*framing, *chosen, *applied), (*unframed, *left))


def _choose_side(choose: Choose, made: Plan, decision: Decision) -> int | None:
    """The head, or BASE, that a strategy that takes a side takes a contested decision from; None for any other."""
    choice = treat_decision(decision, choose(decision)).choice
    side = SIDES.get(choice.strategy) if choice else None
    return None if side is None or side >= len(made.heads) or (side == BASE and made.base is None) else side


def sort_contested(
    made: Plan, choose: Choose, settings: MergeSettings, context: Context
) -> tuple[dict[str, int], list[StrategyJob], list[ContestedDecision]]:
    """Contested parameters by what is to be done: take a side, compute, leave."""
    sides: dict[str, int] = {}
    jobs: list[StrategyJob] = []
    left: list[ContestedDecision] = []
    for decision in () if made.whole else made.contested:
        treated = treat_decision(decision, choose(decision))
        choice = treated.choice
        if choice is None or choice.strategy == CONFLICT:
            left.append(ContestedDecision(decision, treated.reason))
        elif SIDES.get(choice.strategy) == BASE and made.base is None:
            left.append(ContestedDecision(decision, NO_BASE))
        elif choice.strategy in SIDES and SIDES[choice.strategy] < len(made.heads):
            sides[decision.name] = SIDES[choice.strategy]
        else:
            try:
                jobs += make_jobs(decision, treated, settings, context)
            except ConflictError as error:
                left.append(ContestedDecision(decision, error.message))
    return sides, jobs, left


def first_head(decision: Decision) -> int:
    """The first head that has the parameter: whose entry the merged one is like."""
    return next(index for index, held in enumerate(decision.heads) if held)


def _side_choices(made: Plan, choose: Choose, sides: dict[str, int]) -> Iterator[tuple[Decision, Choice]]:
    for decision in made.contested:
        choice = choose(decision) if decision.name in sides else None
        if choice:
            yield decision, choice
