"""How far the heads' changes agree, and what a merge makes of them: of one that was made, and of one to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from git_theta.manifest.model import Entry
from git_theta.merging.agreement import is_measurable
from git_theta.merging.base import STRATEGIES, Contest, Operand
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.change_sums import ChangeSums, sum_changes
from git_theta.merging.contests import StoredOperand, contest_of
from git_theta.merging.execution import merge_bytes
from git_theta.merging.planning.decisions import Decision, split_decision
from git_theta.merging.planning.plan_rendering import Sums
from git_theta.merging.policies.treatments import computes_weights
from git_theta.operations.availability import are_here
from git_theta.operations.context import Context
from git_theta.operations.merging.merge_results import MergeResult
from git_theta.operations.merging.strategy_jobs import StrategyJob, group_jobs, list_entries
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.arrays import Buffer


class MeasuredChanges(NamedTuple):
    """What heads changed, in numbers.

    Attributes:
        computed: of weights that a strategy computed, with what it made of them.
        others: of what else was contested.
    """

    computed: Sums = MappingProxyType({})
    others: Sums = MappingProxyType({})

    def find(self, name: str) -> ChangeSums | None:
        """Of a decision by its name; None where nothing was measured."""
        return self.computed.get(name) or self.others.get(name)


NOT_MEASURED = MeasuredChanges()


class StoredMerge(NamedTuple):
    """A contest of stored tensors, and the tensor that came of it; None where that is not to be measured."""

    contest: Contest
    merged: Operand | None


def measure_merge(merged: MergeResult, context: Context) -> MeasuredChanges:
    """The changes of all contested parameters of a merge that was made; their values are read from the store."""
    entries = {entry.name or "": entry for entry in merged.manifest.parameters()}
    computed = {one.decision.name for one in merged.applied if computes_weights(one.decision, one.choice)}
    contested = [one.decision for items in (merged.applied, merged.left) for one in items if one.decision.names]
    others = [one for one in contested if one.name not in computed and not one.group]
    members = [one for one in contested if one.name in computed]
    return MeasuredChanges(_measure_stored(members, entries, context), _measure_stored(others, {}, context))


def are_jobs_here(jobs: Sequence[StrategyJob], context: Context) -> bool:
    """Whether all that these jobs read is in the store."""
    return are_here((entry for job in jobs for entry in list_entries(job)), context)


def measure_jobs(jobs: Sequence[StrategyJob], context: Context) -> Sums:
    """The changes of the weights that these jobs compute, with what comes of them, which is computed and not stored.

    What is no weight, and what has no base, is left out. Raises what strategies and the store raise.
    """
    found: dict[str, ChangeSums] = {}
    for strategy, group in group_jobs(jobs):
        with STRATEGIES.guard(strategy.name):
            contests = strategy.prepare([job.contest for job in group], context.engine.map)
        measured = [pair for pair in zip(group, contests, strict=True) if _is_measured(*pair)]
        measure = partial(measure_contest, strategy.name, context.progress)
        for (job, _), sums in zip(measured, context.engine.map(measure, [one for _, one in measured]), strict=True):
            _include(found, job.decision.name, sums)
    return found


def count_measured_bytes(jobs: Iterable[StrategyJob]) -> int:
    """Bytes of what ``measure_jobs`` computes, as its progress counts them."""
    return sum(job.contest.spec.nbytes for job in jobs if _is_measured(job, job.contest))


def _is_measured(job: StrategyJob, contest: Contest) -> bool:
    """Whether it is of a weight, whatever strategy: what heads changed is the same for all of them."""
    return computes_weights(job.decision, job.choice) and _has_changes(contest)


def _has_changes(contest: Contest) -> bool:
    """Whether there is a base, and what heads changed since has numbers."""
    return contest.base is not None and is_measurable(contest)


def measure_contest(strategy: str, progress: Callable[[int], None], contest: Contest) -> ChangeSums:
    """The changes of a contest that the strategy of that name has prepared, and what it makes of them: a task."""

    def merge() -> Iterator[Buffer]:
        for piece in merge_bytes(load_strategy(strategy), contest):
            yield piece
            progress(len(piece))

    return sum_changes(contest, merge())


def measure_stored(stored: StoredMerge) -> ChangeSums:
    """The changes of a contest, with what came of it: a task."""
    return sum_changes(stored.contest, stored.merged.blocks() if stored.merged else None)


def _measure_stored(decisions: Sequence[Decision], merged: Mapping[str, Entry], context: Context) -> Sums:
    """The changes of parameters, and of the members of groups; with what became of those that ``merged`` has."""
    found: dict[str, ChangeSums] = {}
    pairs = [(decision.name, one) for decision in decisions for one in _open_members(decision, merged, context)]
    for (name, _), sums in zip(pairs, context.engine.map(measure_stored, [one for _, one in pairs]), strict=True):
        _include(found, name, sums)
    return found


def _open_members(decision: Decision, merged: Mapping[str, Entry], context: Context) -> Iterator[StoredMerge]:
    """What is measured of a parameter, or of each member of a group."""
    read = partial(read_values, store=context.store, parallel=map)
    for member in split_decision(decision) if decision.group else [decision]:
        contest = contest_of(member, read)
        if contest and _has_changes(contest):
            entry = next((merged[name] for name in member.names if name in merged), None)
            yield StoredMerge(contest, entry and StoredOperand(entry, read))


def _include(found: dict[str, ChangeSums], name: str, sums: ChangeSums) -> None:
    if name in found:
        found[name].include(sums)
    else:
        found[name] = sums
