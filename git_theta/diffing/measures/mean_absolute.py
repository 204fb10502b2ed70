"""How far a value moved, on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_theta.diffing.measures.base import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class MeanAbsolute(Measure):
    """The mean of the absolute differences: unlike the norm, a few large ones do not decide it."""

    name = "mean-absolute"
    summary = "The mean of the absolute differences."

    def terms(self, before: Doubles, after: Doubles) -> Sequence[float]:
        """Their sum."""
        import numpy as np

        return [float(np.abs(after - before).sum())]

    def value(self, sums: Sequence[float], count: int) -> float | None:
        """Their mean."""
        return sums[0] / count
