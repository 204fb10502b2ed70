"""How far the heads' changes agree, and what a merge makes of them: of one that was made, and of one to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from git_theta.manifest.model import Entry
from git_theta.merging.agreement import is_measurable
from git_theta.merging.base import STRATEGIES, Contest, Strategy
from git_theta.merging.change_sums import ChangeSums, sum_changes
from git_theta.merging.contests import contest_of
from git_theta.merging.decisions import Decision, split_decision
from git_theta.merging.execution import merge_bytes
from git_theta.merging.plan_rendering import Sums
from git_theta.merging.treatments import computes_values
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


def measure_merge(merged: MergeResult, context: Context) -> MeasuredChanges:
    """The changes of all contested parameters of a merge that was made; their values are read from the store."""
    entries = {entry.name or "": entry for entry in merged.manifest.parameters()}
    computed = {one.decision.name for one in merged.applied if not one.kind and computes_values(one.choice)}
    contested = [one.decision for items in (merged.applied, merged.left) for one in items if one.decision.names]
    measure = partial(_measure_decision, context=context)
    others = [one for one in contested if one.name not in computed and not one.group]
    members = [one for one in contested if one.name in computed]
    return MeasuredChanges(
        _keep_found(members, context.workers.map(lambda one: measure(one, entries), members)),
        _keep_found(others, context.workers.map(lambda one: measure(one, None), others)),
    )


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
            contests = strategy.prepare([job.contest for job in group], context.workers.map)
        measured = [pair for pair in zip(group, contests, strict=True) if not pair[0].kind and _has_changes(pair[1])]
        measure = partial(_measure_contest, strategy, context)
        for (job, _), sums in zip(measured, context.workers.map(measure, (one for _, one in measured)), strict=True):
            _include(found, job.decision.name, sums)
    return found


def count_measured_bytes(jobs: Iterable[StrategyJob]) -> int:
    """Bytes of what ``measure_jobs`` computes, as its progress counts them."""
    return sum(job.contest.spec.nbytes for job in jobs if not job.kind and _has_changes(job.contest))


def _has_changes(contest: Contest) -> bool:
    """Whether there is a base, and what heads changed since has numbers."""
    return contest.base is not None and is_measurable(contest)


def _measure_contest(strategy: Strategy, context: Context, contest: Contest) -> ChangeSums:
    def merge() -> Iterator[Buffer]:
        for piece in merge_bytes(strategy, contest):
            yield piece
            context.progress(len(piece))

    return sum_changes(contest, merge())


def _measure_decision(decision: Decision, merged: Mapping[str, Entry] | None, context: Context) -> ChangeSums | None:
    """The changes of a parameter, or of the members of a group; with what became of it where ``merged`` has that."""
    found: dict[str, ChangeSums] = {}
    for member in split_decision(decision) if decision.group else [decision]:
        contest = contest_of(member, lambda entry: read_values(entry, context.store, map))
        if contest and _has_changes(contest):
            entry = next((merged[name] for name in member.names if name in merged), None) if merged else None
            result = entry and read_values(entry, context.store, map)
            _include(found, decision.name, sum_changes(contest, result))
    return found.get(decision.name)


def _include(found: dict[str, ChangeSums], name: str, sums: ChangeSums) -> None:
    if name in found:
        found[name].include(sums)
    else:
        found[name] = sums


def _keep_found(decisions: Iterable[Decision], sums: Iterable[ChangeSums | None]) -> dict[str, ChangeSums]:
    return {decision.name: found for decision, found in zip(decisions, sums, strict=True) if found}
