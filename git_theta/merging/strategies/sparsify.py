"""Which elements of a task vector are kept: none left out, the largest, random ones, or all but outliers and noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from git_theta.merging.arithmetic import masks
from git_theta.merging.arithmetic.brackets import Magnitudes
from git_theta.merging.arithmetic.generator import Generator
from git_theta.merging.arithmetic.selection import Cut, Keeper, cuts, magnitudes
from git_theta.merging.base import Contest, ContestHead, Operand
from git_theta.merging.numerics import Chunk, is_wide, numbers, shared_weight, stream, weight
from git_theta.tensors.array_library import Vector, namespace
from git_theta.tensors.arrays import Parallel

Sparsify = Literal["none", "magnitude", "random", "breadcrumbs"]

Keep = Callable[[int, Vector], Vector]
"""The index of a chunk's first element and a task vector's values to a mask (see ``masks``)."""


class Cuts(NamedTuple):
    """Where a contest's task vectors are cut.

    Attributes:
        heads: by the branch's position: what is kept, then what of that is left out.
        wide: whether magnitudes are int64.
    """

    heads: Mapping[int, Sequence[Cut]]
    wide: bool


class Terms:
    """A contest's task vectors, sparse and weighted; its chunks must come in order.

    Attributes:
        heads: in the order of the terms.
        operands: the heads' values, and the base's last.
    """

    def __init__(self, contest: Contest, sparsify: Sparsify, cut: Cuts | None) -> None:
        assert contest.base
        self.heads = contest.heads()
        self.operands: list[Operand] = [*(head.operand for head in self.heads), contest.base]
        self._weights = [weight(contest, head.weight) for head in self.heads]
        self._rescale = shared_weight(contest, contest.options["density"]) if sparsify == "random" else None
        self._keep = [_keep(contest, head, sparsify, cut) for head in self.heads]

    def of(self, chunk: Chunk) -> list[Vector]:
        """w_i * sparse(x_i - base), head by head."""
        *values, base = chunk.values
        return [self._term(head, chunk.start, value - base) for head, value in enumerate(values)]

    def _term(self, head: int, start: int, change: Vector) -> Vector:
        keep, by = self._keep[head], self._weights[head]
        if keep is not None:
            change = masks.apply(change, keep(start, change))
        if self._rescale is not None:
            change = change / self._rescale
        return change if by is None else change * by


def is_cut(sparsify: Sparsify) -> bool:
    """Whether magnitudes decide what is kept, so that a threshold has to be found first."""
    return sparsify in ("magnitude", "breadcrumbs")


def find_cuts(contests: Sequence[Contest], sparsify: Sparsify, parallel: Parallel = map) -> dict[str, Cuts]:
    """Where each contest's task vectors are cut, by its name, if each head has one threshold over all contests."""
    if not is_cut(sparsify):
        return {}
    wide = any(is_wide(contest) for contest in contests)
    wanted = _ranks(sparsify, contests[0], sum(map(numbers, contests)))
    positions = range(len(contests[0].branches))

    tensors = {one.name: Magnitudes(partial(read_magnitudes, one, wide), numbers(one)) for one in contests}
    found = cuts(tensors, [wanted for _ in positions], wide=wide, parallel=parallel)
    return {name: Cuts(dict(zip(positions, heads, strict=True)), wide) for name, heads in found.items()}


def read_magnitudes(contest: Contest, wide: bool) -> Iterator[list[Vector]]:
    """Those of the task vectors by position, chunk by chunk."""
    operands = [branch for branch in (*contest.branches, contest.base) if branch]
    for chunk in stream(contest, operands):
        *values, base = chunk.values
        with contest.library.quiet():
            found = [magnitudes(value - base, wide=wide) for value in values]
        yield found


def _ranks(sparsify: Sparsify, contest: Contest, count: int) -> tuple[int, ...]:
    kept = math.floor(contest.options["density"] * count)
    if sparsify == "magnitude":
        return (min(count, max(1, kept)),)
    outliers = math.floor(contest.options["gamma"] * count)
    return min(count, outliers + kept), outliers


def _keep(contest: Contest, head: ContestHead, sparsify: Sparsify, cut: Cuts | None) -> Keep | None:
    if sparsify == "random":
        return _random(contest, head)
    return _between(cut.heads[head.position], wide=cut.wide) if cut else None


def _random(contest: Contest, head: ContestHead) -> Keep:
    generator = Generator(contest.seed, contest.name, head.oid, head.occurrence)
    threshold = round(contest.options["density"] * 2**32)
    library = contest.library

    def keep(start: int, change: Vector) -> Vector:
        below = masks.mark_negative(generator.words(start, len(change), library) - threshold)
        return library.xp.astype(below, masks.bits(change).dtype, copy=False)

    return keep


def _between(cut: Sequence[Cut], *, wide: bool) -> Keep:
    inner, *outer = map(Keeper, cut)

    def keep(_start: int, change: Vector) -> Vector:
        magnitude = magnitudes(change, wide=wide)
        mask = inner.mask(magnitude)
        for keeper in outer:
            mask &= ~keeper.mask(magnitude)
        return namespace(mask).astype(mask, masks.bits(change).dtype, copy=False)

    return keep
