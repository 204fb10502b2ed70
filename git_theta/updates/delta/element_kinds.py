"""What a delta has to know of a dtype: how many bytes its numbers have, and where their exponent is.

Numbers are unsigned integers here, whatever they mean. Those that have an exponent can be put in an order: in a
fine-tune every weight moves by about the same amount, so that how many units in the last place it moves is told by its
exponent.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.casts import CASTS
from git_theta.tensors.dtypes import DType
from git_theta.tensors.numbers import number_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    Places = NDArray[np.intp]


class Order(IntEnum):
    """How the numbers of a block follow one another; the words that say so."""

    NONE = 0
    EXPONENT = 1
    MAGNITUDE = 2
    """By the 16 bits after the sign: what pruning takes lies on one side."""
    NEARNESS = 3
    """By how near each came to being rounded otherwise, where a prediction tells that: those are what moved."""
    FRACTION = 4
    """By the first 8 bits of the fraction: what weight decay alone moves, moves by a share of it. In no word."""


class ElementKind(NamedTuple):
    """The numbers of a dtype.

    Attributes:
        width: their bytes: 1, 2, 4 or 8.
        fraction: bits of their fraction, where they are floats of at least 16 bits; else 0.
    """

    width: int
    fraction: int

    @property
    def unsigned(self) -> str:
        """The numpy dtype of the numbers."""
        return f"<u{self.width}"

    @property
    def signed(self) -> str:
        """The numpy dtype of their differences."""
        return f"<i{self.width}"

    @property
    def may_be_quiet(self) -> bool:
        """Whether its fraction is long enough for moves by a small share of a number to be told by it."""
        return self.fraction > 16

    @property
    def sign(self) -> int:
        """The highest bit."""
        return 1 << (8 * self.width - 1)

    def sort_places(self, numbers: Numbers, order: Order, nearness: Numbers | None = None) -> Places:
        """The places of the numbers in that order, equal ones as they stand. Only for floats, but for NONE."""
        import numpy as np

        if order == Order.NONE:
            return np.arange(len(numbers))
        if order == Order.NEARNESS:
            assert nearness is not None
            return np.argsort(nearness, kind="stable")
        return np.argsort(self._keys(numbers, order), kind="stable")

    def _keys(self, numbers: Numbers, order: Order) -> Numbers:
        """What to sort by; a conversion to fewer bits drops what is above them."""
        shift = self.fraction
        if order == Order.EXPONENT:
            return _cut_bits(numbers, shift, 15 - shift if self.width == 2 else 11 if self.width == 8 else 8)
        if order == Order.FRACTION:
            return _cut_bits(numbers, max(0, shift - 8), min(8, shift))
        return _cut_bits(numbers, 8 * self.width - 17, 16) if self.width > 2 else _cut_bits(numbers, 0, 15)


def _cut_bits(numbers: Numbers, low: int, count: int) -> Numbers:
    """``count`` bits from bit ``low`` on, in the smallest integers that hold them."""
    narrow = "<u1" if count <= 8 else "<u2"
    keys: Numbers = (numbers >> low).astype(narrow)
    if count not in (8, 16):
        keys &= (1 << count) - 1
    return keys


@cache
def kind_of(dtype: DType) -> ElementKind:
    """The numbers of a dtype: of a complex element two."""
    known = CASTS.get(number_dtype(dtype).name)
    return ElementKind(dtype.width, known.fraction if known else 0)
