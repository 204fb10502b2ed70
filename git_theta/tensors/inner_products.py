"""Lengths of vectors and cosines between them: one set of them for diffs, maps, merge reports and conflicts.

Vectors come in segments of doubles. Sums are fp64 within a segment, in an order that its size alone decides, and exact
over segments: neither threads nor overflow nor underflow matter. Within a segment BLAS adds, whose order may be another
on another processor; what a merge's bytes depend on is added elsewhere (``merging.arithmetic.reductions``), eight times
slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_UNIT = 4400
"""The unit is 2 ** -_UNIT: below every product of two doubles that were scaled by up to 2 ** 1074. An even number."""
_DOT = 1 << 13
"""Numbers that BLAS multiplies at a time: few enough for it to start no threads, whose number would change the sum."""
_VANISHING = 2.0**-600
"""Sums of squares below this may have lost squares that matter."""


def dot(first: Doubles, second: Doubles) -> float:
    """The sum of the products, in an order that depends on nothing but how many there are."""
    import numpy as np

    whole = len(first) // _DOT * _DOT
    parts = np.matmul(first[:whole].reshape(-1, 1, _DOT), second[:whole].reshape(-1, _DOT, 1))
    return float(parts.sum()) + float(np.dot(first[whole:], second[whole:]))


class Segment(NamedTuple):
    """A stretch of a vector.

    Attributes:
        values: finite doubles.
        squares: the sum of their squares, which may be too large or too small for a double.
        exponent: they stand for values * 2 ** exponent.
    """

    values: Doubles
    squares: float
    exponent: int = 0

    @classmethod
    def of(cls, values: Doubles, exponent: int = 0) -> Segment:
        """These values times 2 ** exponent."""
        return cls(values, dot(values, values), exponent)

    def scale(self) -> Segment:
        """The same, with squares that a double holds."""
        import numpy as np

        if _VANISHING < self.squares < math.inf:
            return self
        exponent = math.frexp(float(np.abs(self.values).max(initial=0.0)))[1]
        return Segment.of(np.ldexp(self.values, -exponent), self.exponent + exponent)


def subtract(after: Doubles, before: Doubles, out: Doubles) -> Segment:
    """How far two stretches of finite doubles are apart: after - before. ``out``: memory for it, as long or longer."""
    import numpy as np

    segment = Segment.of(np.subtract(after, before, out=out[: len(after)]))
    if math.isfinite(segment.squares) or math.isfinite(segment.values.sum()):
        return segment
    return Segment.of(after * 0.5 - before * 0.5, 1)  # of opposite numbers that are both near the largest there is


class InnerProducts:
    """Inner products of vectors that come in segments, side by side.

    Args:
        vectors: how many there are.
        pairs: those whose cosines will be asked for.
    """

    def __init__(self, vectors: int, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._squares = [ExactSum() for _ in range(vectors)]
        self._products = {pair: ExactSum() for pair in pairs}

    def add(self, segments: Sequence[Segment | None]) -> None:
        """The next segment of every vector, all of one size; None for zeros alone."""
        scaled = [segment and segment.scale() for segment in segments]
        for total, segment in zip(self._squares, scaled, strict=True):
            if segment:
                total.add(segment.squares, 2 * segment.exponent)
        for (first, second), total in self._products.items():
            one, other = scaled[first], scaled[second]
            if one and other:
                total.add(dot(one.values, other.values), one.exponent + other.exponent)

    def include(self, other: InnerProducts) -> None:
        """Add the segments of another such object, of as many vectors and the same pairs."""
        self._squares = [mine.plus(its) for mine, its in zip(self._squares, other._squares, strict=True)]
        self._products = {pair: total.plus(other._products[pair]) for pair, total in self._products.items()}

    def square(self, vector: int) -> float:
        """The sum of its squares; inf where no double holds it."""
        return self._squares[vector].value()

    def norm(self, vector: int) -> float:
        """Its Euclidean length; inf where no double holds it."""
        return self._squares[vector].root()

    def ratio(self, first: int, second: int) -> float | None:
        """One length over another; None where that is 0, or no double holds either."""
        one, other = self.norm(first), self.norm(second)
        return one / other if other and math.isfinite(one) and math.isfinite(other) else None

    def cosine(self, first: int, second: int) -> float | None:
        """Of the angle between two vectors, which were named as a pair; None where one of them is 0."""
        return self._products[first, second].over_roots(self._squares[first], self._squares[second])


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

    def plus(self, other: ExactSum) -> ExactSum:
        """The sum of both."""
        both = ExactSum()
        both._units = self._units + other._units
        return both

    def value(self) -> float:
        """The sum, correctly rounded; inf where no double holds it."""
        try:
            return self._units / (1 << _UNIT)
        except OverflowError:
            return math.inf

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
