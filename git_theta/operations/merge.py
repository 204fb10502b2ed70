"""A plan carried out: contested parameters through their strategies, streamed, and the merged file's manifest.

What ids decide is decided without a tensor and without torch (L8). What nobody chose a strategy for stays contested:
the merged file holds ours for it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging import options
from git_theta.merging.base import Contest, Report, Strategy
from git_theta.merging.catalogue import named
from git_theta.merging.checks import check
from git_theta.merging.contests import contest
from git_theta.merging.plan import Plan, settle
from git_theta.merging.policy import CONFLICT, Choice
from git_theta.merging.trivial import BASE, Decision
from git_theta.operations.assemble import assemble
from git_theta.operations.content import Stream
from git_theta.operations.deposit import Deposit, Label
from git_theta.operations.desk import Desk
from git_theta.tensors.arrays import Buffer

_SIDES = {"ours": 0, "theirs": 1, "base": BASE}
"""Strategies that take a side whatever is contested, also where no values could be computed with."""

Choose = Callable[[Decision], Choice | None]


class Settings(NamedTuple):
    """How to compute: head weights (None: equal), seed of what is random, device as torch spells it."""

    weights: tuple[float, ...] | None = None
    seed: int = 0
    device: str = "cpu"


class Applied(NamedTuple):
    """A parameter that a strategy settled."""

    decision: Decision
    choice: Choice
    report: Report


class Left(NamedTuple):
    """A parameter that is still contested, and why the chosen strategy could not settle it ("" if none was chosen)."""

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


def merge(made: Plan, choose: Choose, settings: Settings, desk: Desk) -> Merged:
    """Carry out a plan.

    Args:
        made: what is to be merged.
        choose: the strategy for a contested parameter, or None to leave it.
        settings: how to compute.
        desk: what to work with.

    Everything that the manifest names is durable. Raises UsageError for strategies and options that do not exist,
    MissingObject and CorruptObject for parameters that cannot be read; nothing but unreachable objects is left then.
    """
    sides, jobs, left = _sorted_out(made, choose, settings, desk)
    computed, applied = _computed(jobs, desk)
    settled = settle(made, sides | {job.decision.name: _first(job.decision) for job in jobs})
    chosen = [Applied(item, choice, Report()) for item, choice in _picked(made, choose, sides)]
    return Merged(assemble(settled, computed, desk), settled, (*chosen, *applied), tuple(left))


def _sorted_out(
    made: Plan, choose: Choose, settings: Settings, desk: Desk
) -> tuple[dict[str, int], list[_Job], list[Left]]:
    """Contested parameters by what is to be done: take a side, compute, leave."""
    sides: dict[str, int] = {}
    jobs: list[_Job] = []
    left: list[Left] = []
    for decision in made.contested:
        choice = choose(decision)
        if choice is None or choice.strategy == CONFLICT:
            left.append(Left(decision, ""))
        elif choice.strategy in _SIDES and _SIDES[choice.strategy] < len(made.heads):
            sides[decision.name] = _SIDES[choice.strategy]
        else:
            try:
                jobs.append(_Job(decision, choice, _contest(decision, choice, settings, desk)))
            except ConflictError as error:
                left.append(Left(decision, error.message))
    return sides, jobs, left


def _contest(decision: Decision, choice: Choice, settings: Settings, desk: Desk) -> Contest:
    strategy = named(choice.strategy)
    found = contest(
        decision,
        lambda entry: parameters.read(entry, desk.store, map),
        weights=settings.weights,
        seed=settings.seed,
        device=settings.device,
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
    deposit, applied = Deposit(desk, None), []
    for (name, _), group in groups.items():
        strategy = named(name)
        for job, prepared in zip(group, strategy.prepare([job.contest for job in group]), strict=True):
            entry = next(held[0] for held in job.decision.heads if held)
            stream = Stream.of(_bytes(strategy, prepared))
            label = Label(entry.name, entry.dtype, entry.shape, entry.views, prepared.spec.dtype.width)
            deposit.take(label, stream, entry.size, _never_again)
            applied.append(Applied(job.decision, job.choice, prepared.report))
    return {entry.name or "": entry for entry in deposit.entries()}, applied


def _bytes(strategy: Strategy, prepared: Contest) -> Iterator[Buffer]:
    from git_theta.tensors.torch_values import to_bytes

    return (to_bytes(chunk) for chunk in strategy.merge(prepared))


def _never_again(offset: int, size: int) -> bytes:
    """A part without a prior is never read twice."""
    raise AssertionError(f"merged bytes were asked for again: {size} at {offset}")


def _first(decision: Decision) -> int:
    """The first head that has the parameter: whose entry the merged one is like."""
    return next(index for index, held in enumerate(decision.heads) if held)


def _picked(made: Plan, choose: Choose, sides: dict[str, int]) -> Iterator[tuple[Decision, Choice]]:
    for decision in made.contested:
        choice = choose(decision) if decision.name in sides else None
        if choice:
            yield decision, choice
