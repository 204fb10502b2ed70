"""How a loss falls with tokens: E + B / D'^beta, fitted to versions that were measured, and what it says of others.

Least squares, with E and B not below 0. For a given beta that is linear, so beta alone is searched for (G. H. Golub and
V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate, 1973).
Intervals are those of the profile likelihood: what any curve says whose squares are not worse than chance makes them,
at 95 %. Beside the noise that the points show they know of none, and they hold only if the loss has this form at all.

Source of the form: Muennighoff et al. (arXiv 2305.16264), after Hoffmann et al. (arXiv 2203.15556), at one model size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Floats = NDArray[np.float64]

FEWEST = 3
"""Versions, as many as the curve has numbers."""
CONFIDENCE = 0.95
_LARGEST_LOSS = 1e100
"""So that B, in the unit of tokens, is a number still."""
_LEAST_EXPONENT, _MOST_EXPONENT, _EXPONENTS = 0.01, 4.0, 1200
"""The betas that are tried: each 0.5 % above the one before, and many about the best."""


class LossPoint(NamedTuple):
    """A version that was measured: D', and its loss."""

    effective: float
    loss: float


class CurveEstimate(NamedTuple):
    """A number and its interval; None for an end that nothing bounds, and both None where the points show no noise."""

    value: float
    low: float | None
    high: float | None


def fit_curve(points: Sequence[LossPoint]) -> tuple[LossCurve | None, str]:
    """The curve through versions that were measured; or None, and why there is none."""
    different = len({point.effective for point in points})
    if different < FEWEST:
        return None, f"{FEWEST} versions of different worth are needed"
    if not all(0 < point.loss < _LARGEST_LOSS for point in points):
        return None, f"a loss of this form is above 0 and below {_LARGEST_LOSS:.0e}"
    curve = LossCurve(points)
    return (curve, "") if curve.falls else (None, "it does not fall with tokens")


class LossCurve:
    """A loss as a function of D'.

    Args:
        points: three of different D' or more, all above 0, with losses above 0. See ``fit_curve``.
    """

    def __init__(self, points: Sequence[LossPoint]) -> None:
        import numpy as np

        self._unit = max(point.effective for point in points)
        tokens = np.array([point.effective for point in points]) / self._unit
        self._most = max(point.loss for point in points)
        losses = np.array([point.loss for point in points]) / self._most
        exponents = np.geomspace(_LEAST_EXPONENT, _MOST_EXPONENT, _EXPONENTS)
        best = _Fits(tokens, losses, exponents).best
        near = exponents[max(best - 1, 0) : best + 2]
        self._fits = _Fits(tokens, losses, np.union1d(exponents, np.geomspace(near[0], near[-1], 400)))
        self._freedom = len(points) - FEWEST

    @property
    def falls(self) -> bool:
        """Whether more tokens are better at all."""
        return bool(self._fits.factors[self._fits.best] > 0)

    @property
    def floor(self) -> CurveEstimate:
        """E: what no number of tokens goes below."""
        return self._estimate(1.0, 0 * self._fits.exponents)

    @property
    def factor(self) -> CurveEstimate:
        """B, for D' in tokens."""
        return self._estimate(0.0, self._unit**self._fits.exponents)

    @property
    def exponent(self) -> CurveEstimate:
        """Beta."""
        import numpy as np

        betas, low, high = self._fits.exponents, None, None
        if self._freedom:
            likely = np.flatnonzero(self._fits.list_values(1.0, 0 * betas, self._bound)[1].any(axis=0))
            first, last = min(self._fits.best, *likely), max(self._fits.best, *likely)
            low = float(betas[first]) if first else None
            high = float(betas[last]) if last < len(betas) - 1 else None
        return CurveEstimate(float(betas[self._fits.best]), low, high)

    def list_numbers(self) -> dict[str, CurveEstimate]:
        """What the formula is made of, by the names that it has there."""
        return {"E": self.floor, "B": self.factor, "beta": self.exponent}

    def forecast(self, effective: float) -> CurveEstimate:
        """The loss at a D', above 0."""
        slopes = (effective / self._unit) ** -self._fits.exponents
        return self._estimate(1.0, slopes)

    @property
    def _bound(self) -> float:
        """The sum of squares that chance allows."""
        least = self._fits.squares[self._fits.best]
        return float(least * (1 + student_bound(self._freedom) ** 2 / self._freedom))

    def _estimate(self, constant: float, slopes: _Floats) -> CurveEstimate:
        """Of ``constant E + slope B``: at the best beta, and between the ends of what is likely at any."""
        best, fits = self._fits.best, self._fits
        value = self._most * float(constant * fits.floors[best] + slopes[best] * fits.factors[best])
        if not self._freedom:
            return CurveEstimate(value, None, None)
        values, likely = fits.list_values(constant, slopes, self._bound)
        among = self._most * values[likely]
        return CurveEstimate(value, float(among.min(initial=value)), float(among.max(initial=value)))


class _Fits:
    """The best E and B, neither below 0, for each of many betas; ``best`` is the place of the best of these."""

    def __init__(self, tokens: _Floats, losses: _Floats, exponents: _Floats) -> None:
        import numpy as np

        self.exponents = exponents
        self._powers = tokens ** -exponents[:, None]  # [beta, point]
        self._losses, self._count = losses, len(losses)
        self._sums, self._sums2 = self._powers.sum(1), (self._powers**2).sum(1)
        centred = self._powers - self._powers.mean(1, keepdims=True)
        slopes = (centred @ losses) / (centred**2).sum(1)
        zeros = np.zeros_like(slopes)
        self._free = self._measure(losses.mean() - slopes * self._powers.mean(1), slopes)
        self._floorless = self._measure(zeros, self._powers @ losses / self._sums2)
        self._level = self._measure(zeros + losses.mean(), zeros)
        candidates = np.stack([self._free, self._floorless, self._level])  # [way, E or B or squares, beta]
        allowed = (candidates[:, :2] >= 0).all(1)
        chosen = np.where(allowed, candidates[:, 2], np.inf).argmin(0)
        self.floors, self.factors, self.squares = candidates[chosen, :, np.arange(len(slopes))].T
        self.best = int(self.squares.argmin())

    def _measure(self, floors: _Floats, factors: _Floats) -> _Floats:
        import numpy as np

        rest = self._losses - floors[:, None] - factors[:, None] * self._powers
        return np.stack([floors, factors, (rest**2).sum(1)])

    def list_values(self, constant: float, slopes: _Floats, bound: float) -> tuple[_Floats, NDArray[np.bool_]]:
        """``constant E + slope B`` where it can be extreme, and whether it is: [place, beta].

        All E and B of squares up to a bound are an ellipse, cut off where either is below 0: a linear function of them
        is extreme at two points of the rim, or where the rim and a cut meet.
        """
        import numpy as np

        places = np.stack([*self._list_rim(constant, slopes, bound), *self._list_cuts(bound)])  # [place, E or B, beta]
        values = constant * places[:, 0] + slopes * places[:, 1]
        return values, np.nan_to_num(places, nan=-1.0).min(1) >= 0

    def _list_rim(self, constant: float, slopes: _Floats, bound: float) -> Iterator[_Floats]:
        import numpy as np

        determinants = self._count * self._sums2 - self._sums**2
        toward = np.stack(
            [self._sums2 * constant - self._sums * slopes, self._count * slopes - self._sums * constant]
        ) / np.maximum(determinants, np.finfo(float).tiny)
        lengths = constant * toward[0] + slopes * toward[1]
        yield from _step_both_ways(self._free, toward, lengths, bound)

    def _list_cuts(self, bound: float) -> Iterator[_Floats]:
        import numpy as np

        nothing, one = np.zeros_like(self._sums), np.ones_like(self._sums)
        yield from _step_both_ways(self._floorless, np.stack([nothing, one]), self._sums2, bound)
        yield from _step_both_ways(self._level, np.stack([one, nothing]), one * self._count, bound)


def _step_both_ways(fit: _Floats, toward: _Floats, lengths: _Floats, bound: float) -> Iterator[_Floats]:
    """The two places where the squares have risen from those of a fit to the bound; NaN where they are above it."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        steps = toward * np.sqrt((bound - fit[2]) / lengths)
    yield from (fit[:2] - steps, fit[:2] + steps)


def student_bound(freedom: int, confidence: float = CONFIDENCE) -> float:
    """What the magnitude of Student's t exceeds with the rest of the confidence, for whole degrees of freedom."""
    low, high = 0.0, 1.0
    while student_share(high, freedom) < confidence:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_share(middle, freedom) < confidence else (low, middle)
    return high


def student_share(bound: float, freedom: int) -> float:
    """How likely Student's t is between -bound and bound (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(bound / math.sqrt(freedom))
    is_odd = freedom % 2
    term = total = math.cos(angle) if is_odd else 1.0
    for k in range(2 + is_odd, freedom - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    if not is_odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0.0))
