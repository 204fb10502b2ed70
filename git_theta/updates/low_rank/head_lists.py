"""How factors and scales are stored before the blocks: numbers of fp32, in lists of at most 1 MiB.

Normative: docs/spec/objects.md, section 3. Each factor stands by itself, since its numbers are of about one size, and
signs, which nothing tells, stand beside the fraction, which nothing tells either: the byte that is left holds the
exponent alone. That takes 7 % less than factors in turns, whose signs have a bit of the exponent's byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays
from git_theta.updates.low_rank.factors import Factors, matrix_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.low_rank.factors import Matrix

    Codes = NDArray[np.uint32]

_LIST_NUMBERS = 1 << 18
"""Numbers of a list of the head: 1 MiB."""
_FRACTION, _SIGN, _REST = 0x007FFFFF, 0x00800000, 0x7F800000
"""Bits of a number whose sign was moved: the fraction, the sign; where they stood, those of the exponent."""


def write_factors(factors: Factors) -> list[Arrays]:
    """The scale and, rank by rank, the columns of ``left``; in other lists the rows of ``right``."""
    import numpy as np

    first = np.concatenate((np.array([factors.scale], "<f4"), factors.left.T.reshape(-1)))
    return [*_cut_codes(_move_signs(first)), *_cut_codes(_move_signs(factors.right.reshape(-1)))]


def read_factors(
    lists: Iterator[Arrays], rank: int, shape: tuple[int, ...], *, apart: bool, rounds_product: bool
) -> Factors:
    """What ``write_factors`` gave. Raises CorruptObject. ``is_storable`` of rank and shape.

    ``apart``: False for what was written before factors stood apart: rank by rank, a column of the one and a row of
    the other.
    """
    rows, columns = matrix_shape(shape)
    if not apart:
        numbers = read_numbers(lists, 1 + rank * (rows + columns))
        pairs = numbers[1:].reshape(rank, rows + columns)
        return Factors(pairs[:, :rows].T, pairs[:, rows:], float(numbers[0]), rounds_product)
    first, right = (_check_finite(_move_back(_join_codes(lists, size))) for size in (1 + rank * rows, rank * columns))
    return Factors(first[1:].reshape(rank, rows).T, right.reshape(rank, columns), float(first[0]), rounds_product)


def write_numbers(numbers: Matrix) -> list[Arrays]:
    """Numbers as they are: scales."""
    return _cut_codes(numbers.astype("<f4", copy=False).reshape(-1).view("<u4"))


def read_numbers(lists: Iterator[Arrays], count: int) -> Matrix:
    """So many numbers again, all finite. Raises CorruptObject."""
    return _check_finite(_join_codes(lists, count).view("<f4"))


def _cut_codes(codes: Codes) -> list[Arrays]:
    data = memoryview(codes.astype("<u4", copy=False).view("u1").data)
    return [(Array(4, data[at : at + 4 * _LIST_NUMBERS]),) for at in range(0, len(data), 4 * _LIST_NUMBERS)]


def _join_codes(lists: Iterator[Arrays], count: int) -> Codes:
    import numpy as np

    codes = np.empty(count, "<u4")
    for start in range(0, count, _LIST_NUMBERS):
        wanted = codes[start : start + _LIST_NUMBERS]
        arrays = next(lists, ())
        if len(arrays) != 1 or len(arrays[0].data) != wanted.nbytes:
            raise CorruptObject(f"a head has no list of {wanted.nbytes} bytes where one is due")
        wanted[:] = np.frombuffer(arrays[0].data, "<u4")
    return codes


def _move_signs(numbers: Matrix) -> Codes:
    """Sign, exponent, fraction as exponent, sign, fraction."""
    import numpy as np

    codes: Any = np.ascontiguousarray(numbers, "<f4").view("<u4")
    moved: Codes = (codes & _REST) << 1 | codes >> 8 & _SIGN | codes & _FRACTION
    return moved


def _move_back(moved: Codes) -> Matrix:
    codes: Any = moved >> 1 & _REST | (moved & _SIGN) << 8 | moved & _FRACTION
    numbers: Matrix = codes.astype("<u4", copy=False).view("<f4")
    return numbers


def _check_finite(numbers: Matrix) -> Matrix:
    import numpy as np

    if not np.isfinite(numbers).all():
        raise CorruptObject("a head has numbers that are not finite")
    return numbers
