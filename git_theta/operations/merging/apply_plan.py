"""A plan carried out: contested parameters through their strategies, streamed, and the merged file's manifest.

What ids decide is decided without a tensor and without torch (L8). What nobody chose a strategy for stays contested:
the merged file holds ours for it, and says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging import options
from git_theta.merging.base import STRATEGIES, Contest, ContestReport, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.contests import contest_of
from git_theta.merging.decisions import BASE, SIDES, Decision, split_decision
from git_theta.merging.devices import one_thread_each
from git_theta.merging.execution import library_for, merge_bytes
from git_theta.merging.plan import Plan, settle_contested
from git_theta.merging.policy import CONFLICT, Choice, prefix_origin
from git_theta.merging.treatments import StrategyChooser, Treated, is_merged_apart, treat_decision, weigh_kind
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.merging.assemble import assemble_manifest
from git_theta.operations.merging.computed_results import find_result, remember_results, result_keys
from git_theta.operations.merging.frame_merge import FrameKey, FrameMerge, merge_frame
from git_theta.words import join_some

_REMEMBER_EVERY = 256 << 20
"""Bytes of results that an interrupted merge may have computed in vain."""
_BYTES_CONTESTED = "{} computes with parameters, and this may be more than metadata"
_OURS_KEPT = "both sides changed {}; ours is kept"
_WHOLE_CONTESTED = "both sides changed it, and it is kept whole: no format reads it"
_CHOOSE_A_SIDE = "Choose a side for it: ours, theirs, base."
_NO_BASE = "there is no merge base to take it from"

Choose = StrategyChooser


class MergeSettings(NamedTuple):
    """How to compute: head weights (None: equal), seed of what is random, device as torch spells it."""

    weights: tuple[float, ...] | None = None
    seed: int = 0
    device: str = "cpu"


class AppliedStrategy(NamedTuple):
    """A parameter that a strategy settled, and with which settings; or the frame, whose decision has no name.

    ``kind`` is the name of what it is, where it is no weight and another strategy had been chosen.
    """

    decision: Decision
    choice: Choice
    report: ContestReport
    settings: MergeSettings = MergeSettings()
    kind: str = ""


class ContestedDecision(NamedTuple):
    """A parameter, or the frame, that is still contested, and why.

    ``reason`` is what kept the chosen strategy from settling it; "" for a parameter that none was chosen for.
    """

    decision: Decision
    reason: str


class MergeResult(NamedTuple):
    """What came of a plan: the file, what strategies did, and what is left to settle.

    ``frame_sources`` says, of a frame that is merged by keys, whose value was chosen for those that were contested;
    None where the frame is one side's, or contested as one.
    """

    manifest: Manifest
    plan: Plan
    applied: tuple[AppliedStrategy, ...]
    left: tuple[ContestedDecision, ...]
    frame_sources: Mapping[str, int] | None = None


class SettledPlan(NamedTuple):
    """A plan with what was chosen for it, by name what strategies computed, what they did, and what is left."""

    plan: Plan
    computed: Mapping[str, Entry]
    applied: tuple[AppliedStrategy, ...]
    left: tuple[ContestedDecision, ...]


class _StrategyJob(NamedTuple):
    """A contest of a decision: of all of it, or of one member of a pair; ``name`` is the parameter's."""

    decision: Decision
    member: Decision
    choice: Choice
    contest: Contest
    kind: str = ""


_PreparedJob = tuple[str, _StrategyJob, Contest]
"""What its result is remembered under, the job, and its contest as the strategy prepared it."""


class SettledBefore(NamedTuple):
    """What was settled earlier of a conflict, beyond its plan.

    Attributes:
        computed: by name, entries that strategies made, for what the plan has settled since.
        frame: by name, whose value was chosen for a contested key of the frame.
    """

    computed: Mapping[str, Entry] = MappingProxyType({})
    frame: Mapping[str, int] = MappingProxyType({})


NOTHING_SETTLED = SettledBefore()


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
    chooser = _FrameChooser(choose, before.frame, has_base=made.base is not None)
    framed = merge_frame(made, context, chooser.choose_source)
    settled = settle_plan(framed.plan, choose, settings, context, contested=framed.whole)
    file = assemble_manifest(settled.plan, {**before.computed, **settled.computed}, context, framed.template)
    about = [] if framed.whole else chooser.list_outcomes(framed)
    framing = [item for item in about if isinstance(item, AppliedStrategy)]
    unframed = [item for item in about if isinstance(item, ContestedDecision)]
    sources = {item.decision.name: item.decision.source for item in framed.settled if item.decision.source is not None}
    by_keys = framed.settled or framed.contested or framed.template
    return MergeResult(
        file,
        settled.plan,
        (*framing, *settled.applied),
        (*unframed, *settled.left),
        sources if by_keys else None,
    )


def settle_plan(
    made: Plan, choose: Choose, settings: MergeSettings, context: Context, *, contested: str = ""
) -> SettledPlan:
    """Settle what is contested; what strategies compute is stored. See ``apply_plan``.

    ``contested``: what of the frame, or of a file in one piece, is, in words.
    """
    made, about_frame = _choose_whole(made, choose, contested)
    sides, jobs, left = _sort_contested(made, choose, settings, context)
    new, applied = _run_jobs(jobs, context)
    new |= _settled_members(jobs)
    settled = settle_contested(made, sides | {job.decision.name: _first_head(job.decision) for job in jobs})
    chosen = [AppliedStrategy(item, choice, ContestReport()) for item, choice in _side_choices(made, choose, sides)]
    framing = [item for item in about_frame if isinstance(item, AppliedStrategy)]
    unframed = [item for item in about_frame if isinstance(item, ContestedDecision)]
    return SettledPlan(settled, new, (*framing, *chosen, *applied), (*unframed, *left))


class _FrameChooser:
    """Chooses for contested keys of a frame, and remembers by what."""

    def __init__(self, choose: Choose, before: Mapping[str, int], *, has_base: bool) -> None:
        self._choose = choose
        self._before = before
        self._has_base = has_base
        self._choices: dict[str, Choice] = {}
        self._kept: dict[str, Choice] = {}
        self._reasons: dict[str, str] = {}

    def choose_source(self, key: FrameKey) -> int | None:
        """The head whose value is taken, or BASE; None to leave it contested."""
        name = key.decision.name
        if name in self._before:
            return self._before[name]
        choice = self._choose(key.decision)
        if choice is None or choice.strategy == CONFLICT:
            return None
        source = SIDES.get(choice.strategy)
        if source is None and not key.plain:
            self._reasons[name] = _BYTES_CONTESTED.format(choice.strategy)
            return None
        if source == BASE and not self._has_base:
            self._reasons[name] = _NO_BASE
            return None
        (self._kept if source is None else self._choices)[name] = choice
        return source or 0

    def list_outcomes(self, framed: FrameMerge) -> list[AppliedStrategy | ContestedDecision]:
        """What became of the contested keys: what strategies kept is told as one, about the frame."""
        found: list[AppliedStrategy | ContestedDecision] = []
        for choice in {str(choice): choice for choice in self._kept.values()}.values():
            keys = [name for name, kept in self._kept.items() if str(kept) == str(choice)]
            report = ContestReport(notes=[_OURS_KEPT.format(join_some(keys))])
            found.append(AppliedStrategy(framed.plan.frame, choice, report))
        found += [
            AppliedStrategy(key.decision, self._choices[key.decision.name], ContestReport())
            for key in framed.settled
            if key.decision.name in self._choices
        ]
        for key in framed.contested:
            reasons = filter(None, (self._reasons.get(key.decision.name), key.reason))
            found.append(ContestedDecision(key.decision, "; ".join(reasons)))
        return found


def _choose_whole(made: Plan, choose: Choose, contested: str) -> tuple[Plan, list[AppliedStrategy | ContestedDecision]]:
    """The plan with a frame, and what was chosen for it, where it is ``contested`` in one piece, or the file is."""
    if made.frame.source is not None:
        return made, []
    choice = choose(made.frame)
    if choice is None or choice.strategy == CONFLICT:
        opaque = all(head.is_opaque for head in made.heads)
        return made, [ContestedDecision(made.frame, _WHOLE_CONTESTED if opaque else contested)]
    if choice.strategy not in SIDES:
        computes = f"{choice.strategy} cannot compute with a file that is not split"
        reason = computes if made.whole else f"{_BYTES_CONTESTED.format(choice.strategy)}: {contested}"
        return made, [ContestedDecision(made.frame, reason)]
    side = SIDES[choice.strategy]
    if side == BASE and made.base is None:
        return made, [ContestedDecision(made.frame, _NO_BASE)]
    return settle_contested(made, {}, frame=side), [AppliedStrategy(made.frame, choice, ContestReport())]


def _sort_contested(
    made: Plan, choose: Choose, settings: MergeSettings, context: Context
) -> tuple[dict[str, int], list[_StrategyJob], list[ContestedDecision]]:
    """Contested parameters by what is to be done: take a side, compute, leave."""
    sides: dict[str, int] = {}
    jobs: list[_StrategyJob] = []
    left: list[ContestedDecision] = []
    for decision in () if made.whole else made.contested:
        treated = treat_decision(decision, choose(decision))
        choice = treated.choice
        if choice is None or choice.strategy == CONFLICT:
            left.append(ContestedDecision(decision, treated.reason))
        elif SIDES.get(choice.strategy) == BASE and made.base is None:
            left.append(ContestedDecision(decision, _NO_BASE))
        elif choice.strategy in SIDES and SIDES[choice.strategy] < len(made.heads):
            sides[decision.name] = SIDES[choice.strategy]
        else:
            try:
                jobs += _make_jobs(decision, treated, settings, context)
            except ConflictError as error:
                left.append(ContestedDecision(decision, error.message))
    return sides, jobs, left


def _make_jobs(decision: Decision, treated: Treated, settings: MergeSettings, context: Context) -> list[_StrategyJob]:
    """What is to be computed for a decision. Raises ConflictError where that cannot be."""
    assert treated.choice
    choice, weights = treated.choice, weigh_kind(treated, settings.weights)
    settings = settings._replace(weights=weights)
    if decision.group is None:
        contest = _make_contest(decision, choice, settings, context)
        return [_StrategyJob(decision, decision, choice, contest, treated.kind.name if treated.kind else "")]
    members = split_decision(decision)
    if not all(all(member.heads) for member in members):
        raise ConflictError("not every head has both factors", hint=_CHOOSE_A_SIDE)
    pairs = load_strategy(choice.strategy).pairs
    open_members = [member for member in members if pairs or member.source is None]
    return [
        _StrategyJob(decision, member, choice, _make_contest(member, choice, settings, context))
        for member in open_members
    ]


def _settled_members(jobs: Sequence[_StrategyJob]) -> dict[str, Entry]:
    """Members that ids settle of pairs whose other member was computed: the entries that they are."""
    computed = {job.member.name for job in jobs}
    groups = {job.decision.name: job.decision for job in jobs if job.decision.group}
    members = (member for decision in groups.values() for member in split_decision(decision))
    return {member.name: member.outcome[0] for member in members if member.name not in computed and member.outcome}


def _make_contest(decision: Decision, choice: Choice, settings: MergeSettings, context: Context) -> Contest:
    with prefix_origin(choice.origin):
        strategy = load_strategy(choice.strategy)
    found = contest_of(
        decision,
        lambda entry: parameters.read_values(entry, context.store, map),
        weights=settings.weights,
        seed=settings.seed,
        library=library_for(strategy, settings.device),
        options=options.parse_options(strategy.name, strategy.options, choice.options),
    )
    if found is None:
        raise ConflictError(f"{strategy.name} cannot compute with it", hint=_CHOOSE_A_SIDE)
    check_contest(strategy, found)
    return found


def _run_jobs(jobs: Sequence[_StrategyJob], context: Context) -> tuple[dict[str, Entry], list[AppliedStrategy]]:
    """The merged tensors, stored. In the order of names, so that bundles come out alike."""
    groups: dict[tuple[str, str], list[_StrategyJob]] = {}
    for job in sorted(jobs, key=lambda job: job.member.name):
        groups.setdefault((job.choice.strategy, repr(sorted(job.choice.options.items()))), []).append(job)
    require_entries((entry for job in jobs for held in (*job.member.heads, job.member.base) for entry in held), context)
    if any(job.contest.library.name == "torch" for job in jobs):
        one_thread_each()
    new: dict[str, Entry] = {}
    applied: dict[str, list[AppliedStrategy]] = {}
    for (name, _), group in groups.items():
        strategy = load_strategy(name)
        keys = result_keys(strategy, [job.contest for job in group])
        with STRATEGIES.guard(name):
            prepared = list(strategy.prepare([job.contest for job in group], context.workers.map))
        for batch in _cut_batches(list(zip(keys, group, prepared, strict=True))):
            entries, did = _compute_batch(strategy, batch, context)
            new |= entries
            for one in did:
                applied.setdefault(one.decision.name, []).append(one)
    return new, list(map(_join_members, applied.values()))


def _cut_batches(jobs: Sequence[_PreparedJob]) -> Iterator[list[_PreparedJob]]:
    """The jobs, in batches of so many bytes: what an interrupted merge may have computed in vain."""
    batch: list[_PreparedJob] = []
    size = 0
    for job in jobs:
        batch.append(job)
        size += job[2].spec.nbytes
        if size >= _REMEMBER_EVERY:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _compute_batch(
    strategy: Strategy, jobs: Sequence[_PreparedJob], context: Context
) -> tuple[dict[str, Entry], list[AppliedStrategy]]:
    """Tensors that are stored, computed unless they were before."""
    known = KnownParts(context, None)
    writer, reports = PartWriter(context, known), list[ContestReport]()
    for key, job, found in jobs:
        entry = next(held[0] for held in job.member.heads if held)
        label = PartLabel(entry.name, entry.dtype, entry.shape, entry.views)
        if done := find_result(key, known, context):
            writer.add_stored(Entry(done.oid, done.size, done.storage, *label))
            context.progress(done.size)
        else:
            writer.add_computed(label, found.spec.dtype.width, partial(merge_bytes, strategy, found))
        reports.append(done.report if done else found.report)
    entries = writer.entries()
    results = {
        key: (entry.oid, entry.size, report) for (key, _, _), entry, report in zip(jobs, entries, reports, strict=True)
    }
    remember_results(results, context)
    applied = [
        AppliedStrategy(
            job.decision,
            job.choice,
            report,
            MergeSettings(found.weights if strategy.takes_weights else None, found.seed),
            job.kind,
        )
        for (_, job, found), report in zip(jobs, reports, strict=True)
    ]
    return {entry.name or "": entry for entry in entries}, applied


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


def _first_head(decision: Decision) -> int:
    """The first head that has the parameter: whose entry the merged one is like."""
    return next(index for index, held in enumerate(decision.heads) if held)


def _side_choices(made: Plan, choose: Choose, sides: dict[str, int]) -> Iterator[tuple[Decision, Choice]]:
    for decision in made.contested:
        choice = choose(decision) if decision.name in sides else None
        if choice:
            yield decision, choice
