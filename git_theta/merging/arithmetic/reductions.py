"""Sums over whole tensors whose order of additions is fixed: blocks of a fixed size, each halved until one is left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

from git_theta.merging.base import Contest, Operand
from git_theta.merging.numerics import stream
from git_theta.tensors.array_library import Vector, namespace, zeros

BLOCK = 1 << 12
"""Numbers per block, whatever the chunks: part of the result."""


class PairwiseSum:
    """The sum of fp64 numbers that come in 1-D chunks of any size. Error: O(log n) roundings."""

    def __init__(self) -> None:
        self._tail: Vector | None = None
        self._levels: list[float | None] = []

    def add(self, terms: Vector) -> None:
        """Add fp64 numbers."""
        xp = namespace(terms)
        joined = terms if self._tail is None else xp.concat([self._tail, terms])
        whole = len(joined) - len(joined) % BLOCK
        self._add_blocks(joined[:whole])
        self._tail = xp.asarray(joined[whole:], copy=True) if whole < len(joined) else None

    def value(self) -> float:
        """The sum so far; nothing may be added afterwards."""
        if self._tail is not None:
            self._add_blocks(namespace(self._tail).concat([self._tail, zeros(BLOCK - len(self._tail), self._tail)]))
            self._tail = None
        total = 0.0
        for level in self._levels:
            total += level or 0.0
        return total

    def _add_blocks(self, terms: Vector) -> None:
        """Add whole blocks."""
        xp = namespace(terms)
        blocks, half = xp.reshape(terms, (-1, BLOCK)), BLOCK // 2
        while half:
            blocks = blocks[:, :half] + blocks[:, half:]
            half //= 2
        for value in xp.reshape(blocks, (-1,)).tolist():
            self._carry(value)

    def _carry(self, value: float) -> None:
        """Add as a binary counter does: a sum of 2^n blocks meets another one of 2^n blocks only."""
        for height, level in enumerate(self._levels):
            if level is None:
                self._levels[height] = value
                return
            value, self._levels[height] = level + value, None
        self._levels.append(value)


def products(
    contest: Contest, operands: Sequence[Operand], base: Operand | None = None
) -> dict[tuple[int, int], float]:
    """Inner products of all pairs of operands, or of their differences from the base, in fp64.

    Returns (i, j) with i <= j to <x_i, x_j>. Complex tensors count as vectors of real and imaginary parts.
    """
    pairs = list(combinations_with_replacement(range(len(operands)), 2))
    sums = {pair: PairwiseSum() for pair in pairs}
    for chunk in stream(contest, [*operands, *([base] if base else [])]):
        with contest.library.quiet():
            vectors = chunk.values[: len(operands)]
            if base:
                vectors = [vector - chunk.values[-1] for vector in vectors]
            xp = contest.library.xp
            wide = [xp.astype(vector, xp.float64, copy=False) for vector in vectors]
            for i, j in pairs:
                sums[i, j].add(wide[i] * wide[j])
    with contest.library.quiet():
        return {pair: total.value() for pair, total in sums.items()}
