"""Exact sums of doubles: no order, overflow or underflow matters."""

from __future__ import annotations

import math

_UNIT = 4400
"""The unit is 2 ** -_UNIT: below every product of two doubles that were scaled by up to 2 ** 1074. An even number."""


class ExactSum:
    """A sum of doubles, each times a power of two: a fixed-point number wide enough for all of them.

    Sums of chunks are added here a few thousand times per tensor; an addition costs half a microsecond.
    """

    def __init__(self) -> None:
        self._units = 0

    def add(self, number: float, exponent: int = 0) -> None:
        """Add ``number * 2 ** exponent``; number is finite, exponent at least -2148."""
        fraction, power = math.frexp(number)
        self._units += int(math.ldexp(fraction, 53)) << (power + exponent - 53 + _UNIT)

    def root(self) -> float:
        """The square root of the sum, correctly rounded but for its last bit; inf where no double holds it."""
        try:
            return math.isqrt(self._units) / (1 << _UNIT // 2)
        except OverflowError:
            return math.inf

    def over_roots(self, first: ExactSum, second: ExactSum) -> float | None:
        """The sum over the square roots of two others: a cosine. None where one of them is 0."""
        below = math.isqrt(first._units * second._units)
        return max(-1.0, min(1.0, self._units / below)) if below else None
