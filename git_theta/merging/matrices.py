"""Task vectors as matrices in fp64, for strategies that look at whole rows and columns.

Law (L9b), for strategies with ``exact = False``: LAPACK and BLAS find what depends on the processor and the number of
threads. So they compute in fp64 throughout, and what is stored in fp32 or less differs between machines by at most one
unit in the last place, in a few elements of 100,000 at most. Chunks and the order of heads change no byte: blocks of
rows have a size of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from git_theta.merging.base import Contest
from git_theta.merging.numerics import stream
from git_theta.tensors.array_library import Vector

Matrix = Any
"""A 2-D array of fp64."""

BLOCK = 1 << 20
"""Numbers of each head in a block of rows: part of the result."""

Sides = tuple[int, int]


def matrix_sides(contest: Contest) -> Sides | None:
    """Rows and columns of a contested parameter as a matrix, a kernel's inputs and places side by side.

    None for what is no matrix: vectors, single rows and columns, complex numbers.
    """
    rows, *rest = contest.spec.shape or (1,)
    columns = math.prod(rest)
    return (rows, columns) if rows > 1 and columns > 1 and contest.spec.dtype.kind == "float" else None


class TaskMatrices:
    """The task vectors tau_i of one parameter, as matrices X_i of ``length`` rows and ``side`` columns.

    Args:
        contest: of what ``matrix_sides`` takes for a matrix.
        turned: whether X_i is the transpose of tau_i.

    Attributes:
        side, length: what X_i measures.
        count: how many heads there are.
        xp: the namespace of the library that computes.

    What is turned is held in memory, as it is stored; else one block of rows at a time.
    """

    def __init__(self, contest: Contest, *, turned: bool) -> None:
        sides = matrix_sides(contest)
        assert sides and contest.base
        self.rows, self.columns = sides
        self.turned = turned
        self.length, self.side = sides[::-1] if turned else sides
        self.xp = contest.library.xp
        self._contest = contest
        self._operands = [*(head.operand for head in contest.heads()), contest.base]
        self.count = len(self._operands) - 1
        self._held: list[Matrix] | None = None

    @property
    def block_rows(self) -> int:
        """Rows of X_i in a block."""
        return max(1, BLOCK // self.side)

    def blocks(self) -> Iterator[list[Matrix]]:
        """X_1 to X_N side by side, block by block of their rows."""
        for *values, base in self._value_blocks():
            yield [value - base for value in values]

    def grams(self) -> list[Matrix]:
        """X_i^T X_i of each head: ``side`` by ``side``."""
        return self.sum_over_blocks(lambda block: [one.T @ one for one in block])

    def sum_over_blocks(self, describe: Callable[[list[Matrix]], Sequence[Matrix]]) -> list[Matrix]:
        """The sum over all blocks of what ``describe`` makes of each: so many matrices every time."""
        blocks = self.blocks()
        total = list(describe(next(blocks)))
        for block in blocks:
            for at, term in enumerate(describe(block)):
                total[at] += term
        return total

    def transform(self, values: Sequence[Vector], transforms: Sequence[Matrix]) -> Matrix:
        """The sum of X_i A_i, for values of whole rows, those of the heads and then of the base."""
        *heads, base = (self._as_rows(value) for value in values)
        return self._add_products([head - base for head in heads], transforms)

    def transform_turned(self, transforms: Sequence[Matrix]) -> Matrix:
        """The same of all rows at once, turned back: ``rows`` by ``columns``."""
        parts = [self._add_products(block, transforms).T for block in self.blocks()]
        return self.xp.concat(parts, axis=1)

    def _add_products(self, block: Sequence[Matrix], transforms: Sequence[Matrix]) -> Matrix:
        total = block[0] @ transforms[0]
        for one, by in zip(block[1:], transforms[1:], strict=True):
            total = total + one @ by
        return total

    def _value_blocks(self) -> Iterator[list[Matrix]]:
        if not self.turned:
            cut = replace(self._contest, chunk=self.block_rows * self.columns)
            for chunk in stream(cut, self._operands):
                yield [self._as_rows(value) for value in chunk.values]
            return
        if self._held is None:
            whole = next(stream(replace(self._contest, chunk=self.rows * self.columns), self._operands))
            self._held = [self.xp.reshape(value, (self.rows, self.columns)) for value in whole.values]
        for start in range(0, self.length, self.block_rows):
            columns = slice(start, start + self.block_rows)
            yield [self._wide(value[:, columns].T) for value in self._held]

    def _as_rows(self, value: Vector) -> Matrix:
        return self._wide(self.xp.reshape(value, (-1, self.columns)))

    def _wide(self, values: Matrix) -> Matrix:
        return self.xp.astype(values, self.xp.float64, copy=False)


def find_spectrum(gram: Matrix, xp: Any) -> tuple[Vector, Matrix]:
    """Singular values of a matrix, largest first, and its right singular vectors as columns, from X^T X.

    What is lost among rounding errors of the largest one (about 1e-7 of it) is 0. NaN throughout where a number of
    ``gram`` is not finite.
    """
    if not bool(xp.all(xp.isfinite(gram))):
        nothing = xp.full_like(gram, math.nan)
        return nothing[0], nothing
    squares, vectors = xp.linalg.eigh(gram)
    least = len(gram) * 2.0**-52 * float(squares[-1])
    values = xp.sqrt(xp.where(squares > least, squares, xp.zeros_like(squares)))
    return xp.flip(values), xp.flip(vectors, axis=1)


def inverse_or_zero(values: Vector, xp: Any) -> Vector:
    """1 / v, and 0 where v is 0."""
    zero = values == 0
    return xp.where(zero, xp.zeros_like(values), 1 / xp.where(zero, xp.ones_like(values), values))


def inverse_root(gram: Matrix, xp: Any) -> Matrix:
    """The pseudo-inverse of the square root of a symmetric matrix that has no negative eigenvalues."""
    values, vectors = find_spectrum(gram, xp)
    return (vectors * inverse_or_zero(values, xp)) @ vectors.T
