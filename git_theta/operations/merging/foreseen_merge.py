"""What a merge will do with a file, as far as only frames can tell: a plan is shown with it before it is carried out.

Ids tell nothing of scales that stand in a frame, such as those of tensors that torch quantised; and a policy nothing of
whether what it chose can settle what is contested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import ConflictError, CorruptObject, MissingObject
from git_theta.merging.planning.plan import Plan
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import sort_contested
from git_theta.operations.merging.bound_facts import may_be_bound
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.frame_choices import choose_whole
from git_theta.operations.merging.frame_merge import FrameChoices, merge_frame
from git_theta.operations.merging.merge_checkpoint import refuse_quantised
from git_theta.operations.merging.merge_results import Choose, ContestedDecision, MergeSettings
from git_theta.operations.merging.strategy_jobs import StrategyJob

_NOT_SEEN = "whether its frame holds scales of tensors cannot be told, so the merge may contest more"


class ForeseenMerge(NamedTuple):
    """A file of a merge, and what will become of it.

    Attributes:
        item: its plan.
        left: by name ("" for a file in one piece), why a decision stays contested though a strategy was chosen.
        choose: what the policy chooses.
        jobs: what strategies will compute.
    """

    item: FilePlan
    left: Mapping[str, str]
    choose: Choose
    jobs: Sequence[StrategyJob] = ()


def foresee_merge(item: FilePlan, choose: Choose, settings: MergeSettings, context: Context) -> ForeseenMerge:
    """The plan of a file in which tensors are decided about with the facts that they mean nothing without.

    A file that will be refused is contested as one, and says why. Nothing is fetched: where a frame is not here, that
    is said, and the plan stays. Nothing is computed, and no tensor read.
    """
    if item.plan is None:
        return ForeseenMerge(item, {}, choose)
    try:
        if item.checkpoint:
            refuse_quantised(item.checkpoint)
        else:
            item = item._replace(plan=_join_facts(item.plan, choose, context))
    except ConflictError as error:
        return ForeseenMerge(item._replace(plan=None, reason=error.message), {}, choose)
    except (MissingObject, CorruptObject) as error:
        context.warn(f"{item.path}: {_NOT_SEEN}: {error}")
    assert item.plan
    settings = settings._replace(weights=item.select_weights(settings.weights), device="cpu")
    left, jobs = _sort_decisions(item.plan, choose, settings, context)
    return ForeseenMerge(item, {one.decision.name: one.reason for one in left if one.reason}, choose, jobs)


def _sort_decisions(
    made: Plan, choose: Choose, settings: MergeSettings, context: Context
) -> tuple[list[ContestedDecision], list[StrategyJob]]:
    """What stays contested of what something was chosen for, and what is to be computed."""
    if made.whole:
        about = choose_whole(made, choose, "")[1]
        return [item for item in about if isinstance(item, ContestedDecision) and choose(item.decision)], []
    _, jobs, left = sort_contested(made, choose, settings, context)
    return left, jobs


def _join_facts(made: Plan, choose: Choose, context: Context) -> Plan:
    if made.whole or not may_be_bound(made):
        return made
    framed = merge_frame(made, context, FrameChoices(lambda _: None))
    if framed.bound is None:
        return made
    if not framed.is_whole:
        return framed.bound.join_decisions(made, {})
    chosen, _ = choose_whole(made, choose, framed.whole) if framed.whole else (made, ())
    return made._replace(decisions=framed.bound.follow_frame(chosen).decisions)
