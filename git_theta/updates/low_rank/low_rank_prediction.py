"""The update base plus a product of factors: the same bits on every machine, however the product is computed.

Normative: docs/spec/objects.md, section 3. Factors are rounded to so few bits, for each row of the left one and each
column of the right one, that every sum of products of theirs is exact in fp64, in whatever order and with or without
fused operations. So a matrix product of any library gives it, eight times as fast as adding up term after term.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.blas import one_thread
from git_theta.tensors.numbers import numbers_of
from git_theta.updates.delta.predictions import BasePrediction, Predicted, Prediction
from git_theta.updates.low_rank.rounded_sums import find_nearness, round_results, round_to, wide_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers
    from git_theta.updates.low_rank.factors import Factors

    Doubles = NDArray[np.float64]
    Floats = NDArray[Any]

_EXACT_BITS = 53
"""Of an integer in fp64."""
_PIECE = 1 << 16
"""Numbers that are predicted together: what is computed of them stays in a core's cache."""


class _Rectangle(NamedTuple):
    """A stretch of a matrix's elements that is one: rows and columns from one to before another."""

    rows: slice
    columns: slice
    size: int


class LowRankPrediction(Prediction):
    """Pure, so that blocks may be predicted side by side."""

    def __init__(self, factors: Factors, base: BasePrediction) -> None:
        """``factors``: as many rows and columns as the tensor has. ``base``: of a dtype of DTYPES."""
        self.kind = base.kind
        self._base = base
        self._factors = factors
        self._left_bits, _ = split_bits(factors.rank)
        self._right = round_right(factors.right)

    def predict(self, at: int, base_block: Buffer, most: int) -> Predicted:
        import numpy as np

        codes, first = self._base.read_numbers(base_block, most), at * (BLOCK // self.kind.width)
        numbers, nearness = np.empty_like(codes), np.empty(len(codes), np.uint16)
        with np.errstate(all="ignore"), one_thread():
            for start in range(0, len(codes), _PIECE):
                piece = slice(start, start + _PIECE)
                product = self.multiply(first + start, len(codes[piece]))
                numbers[piece], nearness[piece] = self._add(codes[piece], product)
        return Predicted(numbers, nearness)

    def multiply(self, first: int, count: int) -> Doubles:
        """The scaled product, for so many elements from one on."""
        import numpy as np

        product, at = np.empty(count), 0
        for rows, columns, size in self._cut_rectangles(first, count):
            left = round_rows(self._factors.left[rows], self._left_bits)
            np.matmul(left, self._right[:, columns], out=product[at : at + size].reshape(len(left), -1))
            at += size
        product *= float(np.float32(self._factors.scale))
        return product

    def _add(self, codes: Numbers, product: Doubles) -> tuple[Numbers, Numbers]:
        """What numbers are with the product added, and how near each lies to where it would be rounded otherwise."""
        dtype = self._base.dtype
        old, change = numbers_of(codes, dtype), product.astype(wide_dtype(dtype), copy=False)
        sums = old + change
        nearness = find_nearness(sums, dtype)
        if self._factors.rounds_product:
            sums = old + numbers_of(round_to(change, dtype), dtype)
        sums += 0  # never -0: which zero a sum of products is depends on the library
        return round_results(sums, codes, dtype), nearness

    def _cut_rectangles(self, first: int, count: int) -> Iterator[_Rectangle]:
        width = self._right.shape[1]
        row, column = divmod(first, width)
        while count:
            whole = 0 if column else count // width
            size = whole * width or min(width - column, count)
            columns = slice(0, width) if whole else slice(column, column + size)
            yield _Rectangle(slice(row, row + max(whole, 1)), columns, size)
            row, column, count = row + max(whole, 1), 0, count - size


def split_bits(rank: int) -> tuple[int, int]:
    """Bits of a number of the left factor, and of the right one, so that a sum of so many products is exact."""
    spare = _EXACT_BITS - (rank - 1).bit_length()
    return spare - spare // 2, spare // 2


def round_right(right: Floats) -> Doubles:
    """A right factor (rank, columns), column by column, as it is multiplied."""
    return round_rows(right.T, split_bits(len(right))[1]).T


def round_rows(rows: Floats, bits: int) -> Doubles:
    """Each number to the nearest multiple of 2 ** -bits of the power of two above all of its row; ties to even."""
    import numpy as np

    wide = rows.astype(np.float64)
    exponents = np.frexp(np.abs(wide).max(axis=1, keepdims=True))[1]
    unit = np.ldexp(1.0, exponents - bits)
    wide /= unit
    np.rint(wide, out=wide)
    wide *= unit
    return wide
