"""How a loss falls with tokens: E + B / D'^beta, fitted to versions that were measured, and what it says of others.

Least squares, with E and B not below 0. For a given beta that is linear, so beta alone is searched for (G. H. Golub and
V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate, 1973).
Intervals are those of the profile likelihood: what any curve says whose squares are not worse than chance makes them,
at 95 %. Beside the noise that the points show they know of none, and they hold only if the loss has this form at all.

Source of the form: Muennighoff et al. (arXiv 2305.16264), after Hoffmann et al. (arXiv 2203.15556), at one model size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_theta.operations.comparing.curve_fits import CurveFits
from git_theta.operations.comparing.student_distribution import student_bound

if TYPE_CHECKING:
    from git_theta.operations.comparing.curve_fits import Floats

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
        best = CurveFits(tokens, losses, exponents).best
        near = exponents[max(best - 1, 0) : best + 2]
        self._fits = CurveFits(tokens, losses, np.union1d(exponents, np.geomspace(near[0], near[-1], 400)))
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
        return float(least * (1 + student_bound(self._freedom, CONFIDENCE) ** 2 / self._freedom))

    def _estimate(self, constant: float, slopes: Floats) -> CurveEstimate:
        """Of ``constant E + slope B``: at the best beta, and between the ends of what is likely at any."""
        best, fits = self._fits.best, self._fits
        value = self._most * float(constant * fits.floors[best] + slopes[best] * fits.factors[best])
        if not self._freedom:
            return CurveEstimate(value, None, None)
        values, likely = fits.list_values(constant, slopes, self._bound)
        among = self._most * values[likely]
        return CurveEstimate(value, float(among.min(initial=value)), float(among.max(initial=value)))
