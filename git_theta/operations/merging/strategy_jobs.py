"""Contested parameters through their strategies, streamed, and stored; nothing is computed that was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry
from git_theta.merging import options
from git_theta.merging.base import STRATEGIES, Contest, ContestReport, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.contests import StoredOperand, contest_of
from git_theta.merging.devices import one_thread_each
from git_theta.merging.execution import library_for
from git_theta.merging.planning.decisions import Decision, split_decision
from git_theta.merging.policies.policy import Choice, prefix_origin
from git_theta.merging.policies.treatments import Treated, is_merged_apart, weigh_kind
from git_theta.operations.adding.encoding import prefer_known
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.merging.companion_operands import find_operands
from git_theta.operations.merging.computed_results import ComputedResult, find_result, remember_results, result_keys
from git_theta.operations.merging.contest_results import ContestResult, compute_contest, require_objects
from git_theta.operations.merging.merge_results import AppliedStrategy, MergeSettings
from git_theta.parameters.value_decoding import read_values

_REMEMBER_EVERY = 256 << 20
"""Bytes of results that an interrupted merge may have computed in vain."""


_CHOOSE_A_SIDE = "Choose a side for it: ours, theirs, base."


class StrategyJob(NamedTuple):
    """A contest of a decision: of all of it, or of one ``member`` of a pair, which is a decision of its own.

    ``kind`` is the name of what the parameter is, where it is no weight; "" else.
    """

    decision: Decision
    member: Decision
    choice: Choice
    contest: Contest
    kind: str = ""


class _PreparedJob(NamedTuple):
    """A job as the strategy prepared it, what its result is remembered under, and that result where there is one."""

    key: str
    job: StrategyJob
    contest: Contest
    done: ComputedResult | None

    @property
    def label(self) -> PartLabel:
        entry = next(held[0] for held in self.job.member.heads if held)
        return PartLabel.of_entry(entry)


def make_jobs(decision: Decision, treated: Treated, settings: MergeSettings, context: Context) -> list[StrategyJob]:
    """What is to be computed for a decision. Raises ConflictError where that cannot be."""
    assert treated.choice
    choice, weights = treated.choice, weigh_kind(treated, settings.weights)
    settings = settings._replace(weights=weights)
    if decision.group is None:
        contest = _make_contest(decision, choice, settings, context)
        return [StrategyJob(decision, decision, choice, contest, treated.kind.name if treated.kind else "")]
    members = split_decision(decision)
    if not all(all(member.heads) for member in members):
        raise ConflictError("not every head has both factors", hint=_CHOOSE_A_SIDE)
    pairs = load_strategy(choice.strategy).pairs
    open_members = [member for member in members if pairs or member.source is None]
    return [
        StrategyJob(decision, member, choice, _make_contest(member, choice, settings, context))
        for member in open_members
    ]


def settled_members(jobs: Sequence[StrategyJob]) -> dict[str, Entry]:
    """Members that ids settle of pairs whose other member was computed: the entries that they are."""
    computed = {job.member.name for job in jobs}
    groups = {job.decision.name: job.decision for job in jobs if job.decision.group}
    members = (member for decision in groups.values() for member in split_decision(decision))
    return {member.name: member.outcome[0] for member in members if member.name not in computed and member.outcome}


def run_jobs(jobs: Sequence[StrategyJob], context: Context) -> tuple[dict[str, Entry], list[AppliedStrategy]]:
    """The merged tensors, stored. In the order of names, so that bundles come out alike."""
    require_entries((entry for job in jobs for entry in list_entries(job)), context)
    new: dict[str, Entry] = {}
    applied: dict[str, list[AppliedStrategy]] = {}
    for strategy, group in group_jobs(jobs):
        known = KnownParts(context, None)
        prepared = _prepare_jobs(strategy, group, known, context)
        computed = _compute_jobs(strategy, prepared, context)
        for batch in _cut_batches(prepared):
            for one, (entry, report) in zip(batch, _store_batch(batch, computed, known, context), strict=True):
                new[entry.name or ""] = entry
                applied.setdefault(one.job.decision.name, []).append(_describe_applied(strategy, one, report))
    return new, list(map(_join_members, applied.values()))


def _prepare_jobs(
    strategy: Strategy, group: Sequence[StrategyJob], known: KnownParts, context: Context
) -> list[_PreparedJob]:
    contests = [job.contest for job in group]
    keys = result_keys(strategy, contests)
    with STRATEGIES.guard(strategy.name):
        prepared = strategy.prepare(contests, context.engine.map)
    jobs = [_PreparedJob(*pair, None) for pair in zip(keys, group, prepared, strict=True)]
    return [job._replace(done=find_result(job.key, job.label, known, context)) for job in jobs]


def _compute_jobs(strategy: Strategy, jobs: Sequence[_PreparedJob], context: Context) -> Iterator[ContestResult]:
    """The results of the jobs that were not done before, in their order."""
    compute = partial(compute_contest, strategy.name, context.store, context.preferences(), context.progress)
    return context.engine.map(compute, [job.contest for job in jobs if not job.done])


def group_jobs(jobs: Sequence[StrategyJob]) -> list[tuple[Strategy, list[StrategyJob]]]:
    """The jobs that a strategy is given together, by name: those with the same options."""
    if any(job.contest.library.name == "torch" for job in jobs):
        one_thread_each()
    groups: dict[tuple[str, str], list[StrategyJob]] = {}
    for job in sorted(jobs, key=lambda job: job.member.name):
        groups.setdefault((job.choice.strategy, repr(sorted(job.choice.options.items()))), []).append(job)
    return [(load_strategy(name), group) for (name, _), group in groups.items()]


def _cut_batches(jobs: Sequence[_PreparedJob]) -> Iterator[list[_PreparedJob]]:
    """The jobs, in batches of so many bytes: what an interrupted merge may have computed in vain."""
    batch: list[_PreparedJob] = []
    size = 0
    for job in jobs:
        batch.append(job)
        size += job.contest.spec.nbytes
        if size >= _REMEMBER_EVERY:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _store_batch(
    jobs: Sequence[_PreparedJob], computed: Iterator[ContestResult], known: KnownParts, context: Context
) -> list[tuple[Entry, ContestReport]]:
    """The tensors of the jobs, stored, in their order; the results of those that were not done before are taken."""
    writer, reports = PartWriter(context, known), list[ContestReport]()
    for job in jobs:
        if job.done:
            writer.add_stored(Entry(job.done.oid, job.done.size, job.done.storage, *job.label))
            context.progress(job.done.size)
        else:
            part, report = next(computed)
            require_objects(part, context.store)
            writer.add_encoded(job.label, prefer_known(part, job.label, known))
        reports.append(job.done.report if job.done else report)
    stored = list(zip(writer.entries(), reports, strict=True))
    remember_results({job.key: result for job, result in zip(jobs, stored, strict=True)}, context)
    return stored


def _describe_applied(strategy: Strategy, one: _PreparedJob, report: ContestReport) -> AppliedStrategy:
    settings = MergeSettings(one.contest.weights if strategy.takes_weights else None, one.contest.seed)
    return AppliedStrategy(one.job.decision, one.job.choice, report, settings, one.job.kind)


def _join_members(several: Sequence[AppliedStrategy]) -> AppliedStrategy:
    """What was done to a parameter, or to the members of a pair: with a word where that is not what it seems."""
    first, reports = several[0], [one.report for one in several]
    if first.decision.group is None:
        return first
    nonfinite: Counter[str] = Counter()
    for report in reports:
        nonfinite.update(report.nonfinite)
    notes = [note for report in reports for note in report.notes]
    if is_merged_apart(first.decision, first.choice):
        notes.append(f"{first.choice.strategy} of each factor is not that of their products; adapter-svd merges those")
    return first._replace(report=ContestReport(reports[0].weights, reports[0].facts, dict(nonfinite), notes))


def list_entries(job: StrategyJob) -> Iterator[Entry]:
    """What has to be read for a job."""
    for held in (*job.member.heads, job.member.base):
        yield from held
    for operands in job.contest.companions.values():
        yield from (operand.entry for operand in operands if isinstance(operand, StoredOperand))


def _make_contest(decision: Decision, choice: Choice, settings: MergeSettings, context: Context) -> Contest:
    with prefix_origin(choice.origin):
        strategy = load_strategy(choice.strategy)
    parsed = options.parse_options(strategy.name, strategy.options, choice.options, context.read_setting)
    read = partial(read_values, store=context.store, parallel=map)
    found = contest_of(
        decision,
        read,
        weights=settings.weights,
        seed=settings.seed,
        library=library_for(strategy, settings.device),
        options=parsed,
        companions=find_operands(strategy, decision, parsed, read, context),
    )
    if found is None:
        raise ConflictError(f"{strategy.name} cannot compute with it", hint=_CHOOSE_A_SIDE)
    check_contest(strategy, found)
    return found
