"""What a planned merge does to each parameter, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.merging.planning.decisions import DecisionState
from git_theta.merging.planning.plan_rendering import explain_decision
from git_theta.merging.policies.treatments import find_kind_of, treat_decision
from git_theta.operations.merging.foreseen_merge import ForeseenMerge
from git_theta.repository.merging.merge_request import MergeInputs


class MergeRow(NamedTuple):
    """What a merge does to one parameter, or to a file that is not merged by them.

    Attributes:
        checkpoint: what it is in.
        name: the parameter's; "" for the file itself.
        state: "changed-by-one", "same-change", "added-by-one" ..., which ids settle; "contested", "spec-changed" ...,
            which they do not.
        contested: whether a strategy, or a person, has to decide.
        strategy: what it would be merged with; None where that is a conflict, or nothing is contested.
        take: the head (or "base") that it is taken from; None where it is contested.
        kind: "counter", "statistic" ... of what is no weight; None for weights.
        reason: why, in words.
    """

    checkpoint: str
    name: str
    state: str
    contested: bool
    strategy: str | None
    take: str | None
    kind: str | None
    reason: str


def list_merge_rows(foreseen: ForeseenMerge, made: MergeInputs) -> Iterator[MergeRow]:
    """The rows of one checkpoint, or file. What ids settle says so; of what they do not, what a strategy would do."""
    item, left, choose = foreseen.item, foreseen.left, foreseen.choose
    if item.plan is None:
        take = None if item.source is None else ["base", *made.labels][item.source + 1]
        state = "contested" if item.source is None else "taken"
        yield MergeRow(item.path, "", state, item.source is None, None, take, None, item.reason)
        return
    plan = item.plan
    for decision in (plan.frame,) if plan.whole else plan.decisions:
        if decision.state is DecisionState.UNCHANGED:
            continue
        contested = decision.source is None
        treated = treat_decision(decision, choose(decision)) if contested else None
        choice = treated.choice if treated and decision.name not in left else None
        unsettled = left.get(decision.name, "") or (treated.reason if treated else "")
        kind = find_kind_of(decision) if contested else None
        yield MergeRow(
            item.path,
            decision.name,
            decision.state.value,
            contested,
            choice.strategy if choice else None,
            None if decision.source is None else ["base", *plan.labels][decision.source + 1],
            kind.name if kind else None,
            "; ".join(filter(None, (explain_decision(plan, decision), unsettled))),
        )
