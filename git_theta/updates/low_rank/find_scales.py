"""What rows or columns of a matrix were multiplied by, told from the matrix before and after it.

Each number tells an interval: all scales that would have made it what it is now. What they have in common is narrower
than any one of them, and so narrow, where rows are long, that few numbers of fp32 lie in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from git_theta.updates.low_rank.rank_probe import sample_corner
from git_theta.updates.low_rank.scale_prediction import Scales, make_scales
from git_theta.updates.low_rank.search_cost import estimate_scaling, is_affordable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers
    from git_theta.updates.low_rank.matrix_change import MatrixPair

    Doubles = NDArray[np.float64]

_SIDE, _LARGE_SIDE, _LARGE = 64, 160, 4 << 20
"""Rows and columns of a sample, and those of matrices of so many bytes."""
_LEAST_SIDE = 48
_MOST_SCALES = 1 << 22
_FITTING, _SCALED = 0.9, 0.5
"""Shares of the rows (or columns) of a sample that one scale explains each, and that did not just stay."""


class ScaleIntervals(NamedTuple):
    """The scales that each row, or column, may have been multiplied by: from ``low`` to ``high``."""

    low: Doubles
    high: Doubles

    def narrow(self, other: ScaleIntervals) -> ScaleIntervals:
        """What is in both."""
        import numpy as np

        return ScaleIntervals(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def join(self, axis: int) -> ScaleIntervals:
        """What all numbers of each row (axis 0), or column (axis 1), have in common."""
        return ScaleIntervals(self.low.max(axis=1 - axis), self.high.min(axis=1 - axis))

    def look_scaled(self) -> bool:
        """Whether nearly all have a scale, and many one that is not 1."""
        fitting = self.low <= self.high
        return bool(fitting.mean() >= _FITTING and (fitting & ((self.low > 1) | (self.high < 1))).mean() >= _SCALED)

    def choose(self) -> NDArray[np.float32]:
        """A number of fp32 in the middle of each; where there is none, one beside it."""
        import numpy as np

        middle = (self.low + self.high) / 2
        numbers = np.where(np.isfinite(middle), middle, 1).astype(np.float32)
        lower, upper = np.nextafter(numbers, np.float32(-np.inf)), np.nextafter(numbers, np.float32(np.inf))
        return np.where(numbers < self.low, upper, np.where(numbers > self.high, lower, numbers))


def find_scales(pair: MatrixPair, budget: int | None = None) -> Scales | None:
    """Scales of rows, or of columns, that explain the change; None where there are none.

    Reads a corner of the matrix first, and all of it once where that looks scaled. ``budget``: as of ``find_factors``.
    """
    import numpy as np

    affordable = is_affordable(estimate_scaling(pair.rows, pair.columns), pair.size, budget)
    if min(pair.rows, pair.columns) < _LEAST_SIDE or not affordable:
        return None
    with np.errstate(all="ignore"):
        new, old = sample_corner(pair, _LARGE_SIDE if pair.size >= _LARGE else _SIDE)
        corner = _measure_intervals(pair, new, old)
        axis = next((axis for axis in (0, 1) if corner.join(axis).look_scaled()), None)
        if axis is None or (pair.rows, pair.columns)[axis] > _MOST_SCALES:
            return None
        return make_scales(_read_intervals(pair, axis).choose(), axis)


def _measure_intervals(pair: MatrixPair, new: Numbers, old: Numbers) -> ScaleIntervals:
    """Of each number of some rows."""
    import numpy as np

    before, after = pair.widen(old), pair.widen(new)
    low, high = _rounding_bounds(pair, new)
    low, high = low / np.abs(before), high / np.abs(before)
    turned = np.signbit(before) != np.signbit(after)
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    free = ~(np.isfinite(before) & np.isfinite(after)) | ((before == 0) & (after == 0))
    never = (before == 0) & (after != 0)
    return ScaleIntervals(
        np.where(free, -np.inf, np.where(never, np.inf, low)), np.where(free, np.inf, np.where(never, -np.inf, high))
    )


def _rounding_bounds(pair: MatrixPair, codes: Numbers) -> tuple[Doubles, Doubles]:
    """Between which magnitudes a result was rounded to each number."""
    import numpy as np

    sizes = codes & codes.dtype.type(pair.prediction.kind.sign - 1)
    at = pair.widen(sizes)
    below, above = pair.widen(np.maximum(sizes, 1) - 1), pair.widen(sizes + 1)
    low = np.where(sizes == 0, -above, below)
    return (low + at) / 2, (at + above) / 2


def _read_intervals(pair: MatrixPair, axis: int) -> ScaleIntervals:
    """Of every row, or column, of the whole matrix."""
    import numpy as np

    count = (pair.rows, pair.columns)[axis]
    found = ScaleIntervals(np.full(count, -np.inf), np.full(count, np.inf))
    for piece in pair.read_pieces():
        new, old = pair.codes(piece)
        intervals = _measure_intervals(pair, new, old).join(axis)
        if axis:
            found = found.narrow(intervals)
        else:
            found.low[piece.first : piece.first + len(new)] = intervals.low
            found.high[piece.first : piece.first + len(new)] = intervals.high
    return found
