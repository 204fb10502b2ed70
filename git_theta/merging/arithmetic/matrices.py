"""Task vectors as matrices in fp64, for strategies that look at whole rows and columns.

Law (L9b), for strategies with ``exact = False``: LAPACK and BLAS find what depends on the processor and the number of
threads. So they compute in fp64 throughout, and what is stored in fp32 or less differs between machines by at most one
unit in the last place, in a few elements of 100,000 at most (``git_theta.testing.merges`` holds plug-ins to that).
Chunks and the order of heads change no byte: blocks of rows have a size of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from git_theta.errors import ConflictError
from git_theta.merging.arithmetic.spectra import Matrix
from git_theta.merging.base import Contest
from git_theta.merging.numerics import Chunk, compute, labels, stream
from git_theta.merging.options import Option
from git_theta.tensors.array_library import Vector

BLOCK = 1 << 20
"""Numbers of each head in a block of rows: part of the result."""

MAX_SIDE = Option(
    "max_side",
    "integer",
    16384,
    "Up to how many columns a Gram matrix may have; a larger parameter stays contested. Or set theta.merge.maxSide.",
    within="[2, 1048576]",
    setting="theta.merge.maxSide",
)

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
        since_base: whether tau_i = x_i - base; else it is x_i itself, and no base is asked for.

    Attributes:
        side, length: what X_i measures.
        count: how many heads there are.
        operands, labels: what is read, the heads and then the base, and what reports call it.
        xp: the namespace of the library that computes.

    What is turned is held in memory, as it is stored; else one block of rows at a time.
    """

    def __init__(self, contest: Contest, *, turned: bool, since_base: bool = True) -> None:
        sides = matrix_sides(contest)
        assert sides
        self.rows, self.columns = sides
        self.turned = turned
        self.length, self.side = sides[::-1] if turned else sides
        self.xp = contest.library.xp
        self._contest = contest
        heads = contest.heads()
        self._bases = [contest.base] if since_base and contest.base else []
        self.operands = [*(head.operand for head in heads), *self._bases]
        self.labels = [*labels(heads), *(["base"] if self._bases else [])]
        self.count = len(heads)
        self._held: list[Matrix] | None = None

    @property
    def block_rows(self) -> int:
        """Rows of X_i in a block."""
        return max(1, BLOCK // self.side)

    def blocks(self) -> Iterator[list[Matrix]]:
        """X_1 to X_N side by side, block by block of their rows."""
        return map(self._subtract_base, self._value_blocks())

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
        return self._add_products(self._subtract_base([self._as_rows(value) for value in values]), transforms)

    def transform_turned(self, transforms: Sequence[Matrix]) -> Matrix:
        """The same of all rows at once, turned back: ``rows`` by ``columns``."""
        parts = [self._add_products(block, transforms).T for block in self.blocks()]
        return self.xp.concat(parts, axis=1)

    def add_base(self, values: Sequence[Vector], change: Vector) -> Vector:
        """A change in fp64 to what it is in the result, as wide as the values are."""
        kind = values[0].dtype
        return self.xp.astype(change + self.xp.astype(values[-1], self.xp.float64) if self._bases else change, kind)

    def _subtract_base(self, values: Sequence[Matrix]) -> list[Matrix]:
        if not self._bases:
            return list(values)
        *heads, base = values
        return [head - base for head in heads]

    def _add_products(self, block: Sequence[Matrix], transforms: Sequence[Matrix]) -> Matrix:
        total = block[0] @ transforms[0]
        for one, by in zip(block[1:], transforms[1:], strict=True):
            total = total + one @ by
        return total

    def _value_blocks(self) -> Iterator[list[Matrix]]:
        if not self.turned:
            cut = replace(self._contest, chunk=self.block_rows * self.columns)
            for chunk in stream(cut, self.operands):
                yield [self._as_rows(value) for value in chunk.values]
            return
        if self._held is None:
            whole = next(stream(replace(self._contest, chunk=self.rows * self.columns), self.operands))
            self._held = [self.xp.reshape(value, (self.rows, self.columns)) for value in whole.values]
        for start in range(0, self.length, self.block_rows):
            columns = slice(start, start + self.block_rows)
            yield [self._wide(value[:, columns].T) for value in self._held]

    def _as_rows(self, value: Vector) -> Matrix:
        return self._wide(self.xp.reshape(value, (-1, self.columns)))

    def _wide(self, values: Matrix) -> Matrix:
        return self.xp.astype(values, self.xp.float64, copy=False)


def add_transformed(
    contest: Contest, matrices: TaskMatrices, transforms: Sequence[Matrix], scale: float = 1.0
) -> Iterator[Vector]:
    """The base, where changes are since it, plus ``scale`` times the sum of X_i A_i: rounded once, as it is stored.

    Args:
        contest: what ``matrices`` was made of.
        matrices: the X_i.
        transforms: A_i of each head, (side, side), fp64.
        scale: lambda.
    """
    with contest.library.quiet():
        turned = matrices.transform_turned(transforms) if matrices.turned else None

    def formula(chunk: Chunk) -> Vector:
        first, last = chunk.start // matrices.columns, len(chunk.values[0]) // matrices.columns
        change = matrices.transform(chunk.values, transforms) if turned is None else turned[first : first + last]
        return matrices.add_base(chunk.values, matrices.xp.reshape(change, (-1,)) * scale)

    by_rows = replace(contest, chunk=matrices.block_rows * matrices.columns)
    return compute(by_rows, matrices.operands, matrices.labels, formula)


def require_side(strategy: str, side: int, contest: Contest) -> None:
    """Raise ConflictError where a Gram matrix would have more columns than the option ``max_side`` lets it have."""
    most = contest.options[MAX_SIDE.name]
    if side > most:
        raise ConflictError(
            f"{strategy} takes Gram matrices of up to {most} columns, and this one has {side}",
            hint="Choose another strategy for it, or set theta.merge.maxSide: each matrix takes 8 * side^2 bytes.",
            parameter=contest.name,
        )
