"""The curves E + B / D'^beta that fit best, for each of many betas: all of it linear, and done at once with numpy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class CurveFits:
    """The best E and B, neither below 0, for each of many betas; ``best`` is the place of the best of these."""

    def __init__(self, tokens: Floats, losses: Floats, exponents: Floats) -> None:
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

    def _measure(self, floors: Floats, factors: Floats) -> Floats:
        import numpy as np

        rest = self._losses - floors[:, None] - factors[:, None] * self._powers
        return np.stack([floors, factors, (rest**2).sum(1)])

    def list_values(self, constant: float, slopes: Floats, bound: float) -> tuple[Floats, NDArray[np.bool_]]:
        """``constant E + slope B`` where it can be extreme, and whether it is: [place, beta].

        All E and B of squares up to a bound are an ellipse, cut off where either is below 0: a linear function of them
        is extreme at two points of the rim, or where the rim and a cut meet.
        """
        import numpy as np

        places = np.stack([*self._list_rim(constant, slopes, bound), *self._list_cuts(bound)])  # [place, E or B, beta]
        values = constant * places[:, 0] + slopes * places[:, 1]
        return values, np.nan_to_num(places, nan=-1.0).min(1) >= 0

    def _list_rim(self, constant: float, slopes: Floats, bound: float) -> Iterator[Floats]:
        import numpy as np

        determinants = self._count * self._sums2 - self._sums**2
        toward = np.stack(
            [self._sums2 * constant - self._sums * slopes, self._count * slopes - self._sums * constant]
        ) / np.maximum(determinants, np.finfo(float).tiny)
        lengths = constant * toward[0] + slopes * toward[1]
        yield from _step_both_ways(self._free, toward, lengths, bound)

    def _list_cuts(self, bound: float) -> Iterator[Floats]:
        import numpy as np

        nothing, one = np.zeros_like(self._sums), np.ones_like(self._sums)
        yield from _step_both_ways(self._floorless, np.stack([nothing, one]), self._sums2, bound)
        yield from _step_both_ways(self._level, np.stack([one, nothing]), one * self._count, bound)


def _step_both_ways(fit: Floats, toward: Floats, lengths: Floats, bound: float) -> Iterator[Floats]:
    """The two places where the squares have risen from those of a fit to the bound; NaN where they are above it."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        steps = toward * np.sqrt((bound - fit[2]) / lengths)
    yield from (fit[:2] - steps, fit[:2] + steps)
