"""Values whose sign turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_theta.diffing.base import Unit
from git_theta.diffing.measures.base import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class SignFlips(Measure):
    """The share of values that were positive and are negative, or the other way round; to 0 and from 0 turns no sign.

    Where fine-tunes disagree in signs, averages cancel (Yadav et al., TIES-Merging, 2023, arXiv 2306.01708).
    """

    name = "sign-flips"
    summary = "The share of values whose sign turned."
    unit: Unit = "share"

    def terms(self, before: Doubles, after: Doubles) -> Sequence[float]:
        """How many there are."""
        import numpy as np

        return [int(np.count_nonzero((np.sign(before) * np.sign(after)) < 0))]

    def value(self, sums: Sequence[float], count: int) -> float | None:
        """Their share."""
        return sums[0] / count
