"""A plan carried out: contested parameters through their strategies, streamed, and the merged file's manifest.

What ids decide is decided without a tensor and without torch (L8). What nobody chose a strategy for stays contested:
the merged file holds ours for it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging import options
from git_theta.merging.base import Contest, Report
from git_theta.merging.catalogue import named
from git_theta.merging.checks import check
from git_theta.merging.contests import contest
from git_theta.merging.devices import one_thread_each
from git_theta.merging.execution import library_for, merge_bytes
from git_theta.merging.plan import Plan, settle
from git_theta.merging.policy import CONFLICT, Choice, said
from git_theta.merging.trivial import BASE, Decision
from git_theta.operations.assemble import assemble
from git_theta.operations.deposit import Deposit, Label
from git_theta.operations.desk import Desk
from git_theta.operations.framing import framed
from git_theta.operations.presence import require

_FRAME = "both sides changed what is no parameter: metadata, pickled values"
_NO_BASE = "there is no merge base to take it from"
_SIDES = {"ours": 0, "theirs": 1, "base": BASE}
"""Strategies that take a side whatever is contested, also where no values could be computed with."""

Choose = Callable[[Decision], Choice | None]


class Settings(NamedTuple):
    """How to compute: head weights (None: equal), seed of what is random, device as torch spells it."""

    weights: tuple[float, ...] | None = None
    seed: int = 0
    device: str = "cpu"


class Applied(NamedTuple):
    """A parameter that a strategy settled, and with which settings; or the frame, whose decision has no name."""

    decision: Decision
    choice: Choice
    report: Report
    settings: Settings = Settings()


class Left(NamedTuple):
    """A parameter, or the frame, that is still contested, and why.

    ``reason`` is what kept the chosen strategy from settling it; "" for a parameter that none was chosen for.
    """

    decision: Decision
    reason: str


class Merged(NamedTuple):
    """What came of a plan: the file, what strategies did, and what is left to settle."""

    manifest: Manifest
    plan: Plan
    applied: tuple[Applied, ...]
    left: tuple[Left, ...]


class _Job(NamedTuple):
    decision: Decision
    choice: Choice
    contest: Contest


def merge(
    made: Plan, choose: Choose, settings: Settings, desk: Desk, computed: Mapping[str, Entry] | None = None
) -> Merged:
    """Carry out a plan.

    Args:
        made: what is to be merged.
        choose: the strategy for a contested parameter, or None to leave it. It is asked about the frame too (a decision
            without names) where more than one head changed what is no parameter: strategies that take a side settle
            that, those that compute leave ours, and say so.
        settings: how to compute.
        desk: what to work with.
        computed: by name, entries that strategies made earlier, for what the plan has settled since.

    Everything that the manifest names is durable. Raises UsageError for strategies and options that do not exist,
    MissingObject and CorruptObject for parameters that cannot be read; nothing but unreachable objects is left then.
    """
    made, about_frame = _frame_settled(made, choose, desk)
    sides, jobs, left = _sorted_out(made, choose, settings, desk)
    new, applied = _computed(jobs, desk)
    settled = settle(made, sides | {job.decision.name: _first(job.decision) for job in jobs})
    chosen = [Applied(item, choice, Report()) for item, choice in _picked(made, choose, sides)]
    file = assemble(settled, {**(computed or {}), **new}, desk)
    framing = [item for item in about_frame if isinstance(item, Applied)]
    unframed = [item for item in about_frame if isinstance(item, Left)]
    return Merged(file, settled, (*framing, *chosen, *applied), (*unframed, *left))


def _frame_settled(made: Plan, choose: Choose, desk: Desk) -> tuple[Plan, list[Applied | Left]]:
    """The plan with a frame, and what there is to tell about it: nothing where ids or the format could decide."""
    made, _ = framed(made, desk)
    if made.frame.source is not None:
        return made, []
    choice = choose(made.frame)
    if choice is None or choice.strategy == CONFLICT:
        return made, [Left(made.frame, _FRAME)]
    if made.whole and choice.strategy not in _SIDES:
        return made, [Left(made.frame, f"{choice.strategy} cannot compute with a file that is not split")]
    side = _SIDES.get(choice.strategy, 0)
    if side == BASE and made.base is None:
        return made, [Left(made.frame, _NO_BASE)]
    notes = [] if choice.strategy in _SIDES else [f"{_FRAME}; ours is kept"]
    return settle(made, {}, frame=side), [Applied(made.frame, choice, Report(notes=notes))]


def _sorted_out(
    made: Plan, choose: Choose, settings: Settings, desk: Desk
) -> tuple[dict[str, int], list[_Job], list[Left]]:
    """Contested parameters by what is to be done: take a side, compute, leave."""
    sides: dict[str, int] = {}
    jobs: list[_Job] = []
    left: list[Left] = []
    for decision in () if made.whole else made.contested:
        choice = choose(decision)
        if choice is None or choice.strategy == CONFLICT:
            left.append(Left(decision, ""))
        elif _SIDES.get(choice.strategy) == BASE and made.base is None:
            left.append(Left(decision, _NO_BASE))
        elif choice.strategy in _SIDES and _SIDES[choice.strategy] < len(made.heads):
            sides[decision.name] = _SIDES[choice.strategy]
        else:
            try:
                jobs.append(_Job(decision, choice, _contest(decision, choice, settings, desk)))
            except ConflictError as error:
                left.append(Left(decision, error.message))
    return sides, jobs, left


def _contest(decision: Decision, choice: Choice, settings: Settings, desk: Desk) -> Contest:
    with said(choice.origin):
        strategy = named(choice.strategy)
    found = contest(
        decision,
        lambda entry: parameters.read(entry, desk.store, map),
        weights=settings.weights,
        seed=settings.seed,
        library=library_for(strategy, settings.device),
        options=options.parse(strategy.name, strategy.options, choice.options),
    )
    if found is None:
        raise ConflictError(f"{strategy.name} cannot compute with it", hint="Choose a side for it: ours, theirs, base.")
    check(strategy, found)
    return found


def _computed(jobs: Sequence[_Job], desk: Desk) -> tuple[dict[str, Entry], list[Applied]]:
    """The merged tensors, stored. In the order of names, so that bundles come out alike."""
    groups: dict[tuple[str, str], list[_Job]] = {}
    for job in sorted(jobs, key=lambda job: job.decision.name):
        groups.setdefault((job.choice.strategy, repr(sorted(job.choice.options.items()))), []).append(job)
    require((entry for job in jobs for held in (*job.decision.heads, job.decision.base) for entry in held), desk)
    deposit, applied = Deposit(desk, None), []
    if any(job.contest.library.name == "torch" for job in jobs):
        one_thread_each()
    for (name, _), group in groups.items():
        strategy = named(name)
        prepared = strategy.prepare([job.contest for job in group], desk.workers.map)
        for job, found in zip(group, prepared, strict=True):
            entry = next(held[0] for held in job.decision.heads if held)
            label = Label(entry.name, entry.dtype, entry.shape, entry.views, found.spec.dtype.width)
            deposit.make(label, partial(merge_bytes, strategy, found))
            settings = Settings(found.weights if strategy.takes_weights else None, found.seed)
            applied.append(Applied(job.decision, job.choice, found.report, settings))
    return {entry.name or "": entry for entry in deposit.entries()}, applied


def _first(decision: Decision) -> int:
    """The first head that has the parameter: whose entry the merged one is like."""
    return next(index for index, held in enumerate(decision.heads) if held)


def _picked(made: Plan, choose: Choose, sides: dict[str, int]) -> Iterator[tuple[Decision, Choice]]:
    for decision in made.contested:
        choice = choose(decision) if decision.name in sides else None
        if choice:
            yield decision, choice
