"""How far the heads of a round may be from its start: judged by what is usual in the round (robust statistics).

Source: rounds of several contributors, ColD Fusion (Don-Yehiya et al., 2212.01378); the screen by median absolute
deviation is Hampel's (1974). A deviation below a fifth of the median counts as that much. Of heads that differ by 20 %
as people do, who train for longer or for less, four plain deviations leave one out in three rounds of ten, however
many heads there are; with the floor it is one in a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

FEWEST = 3
"""Heads that tell what is usual: of two nobody knows which one is the odd one."""
FLOOR = 0.2
"""The least deviation that counts, as a share of the median."""


class DistanceScreen(NamedTuple):
    """Which distances from the start are usual in a round.

    Attributes:
        median: of the distances; None where there are none.
        least, most: how small and how large one may be; None for any.
        omitted: why nothing was screened by distance, in words; "" where it was.
    """

    median: float | None
    least: float | None = None
    most: float | None = None
    omitted: str = ""

    def is_usual(self, distance: float) -> bool:
        """Whether a head may be so far from the start."""
        return self.least is None or self.most is None or self.least <= distance <= self.most


def screen_distances(distances: Sequence[float], mad: float) -> DistanceScreen:
    """What is usual among these distances.

    Args:
        distances: of all heads that could be merged otherwise.
        mad: how many median absolute deviations from the median are; 0 for any number.
    """
    middle = median(distances) if distances else None
    if middle is None or not mad:
        return DistanceScreen(middle, omitted="" if middle is None else "mad is 0")
    if len(distances) < FEWEST:
        return DistanceScreen(middle, omitted=f"of fewer than {FEWEST} heads nobody knows what is usual")
    deviation = max(median(abs(distance - middle) for distance in distances), FLOOR * middle)
    return DistanceScreen(middle, max(0.0, middle - mad * deviation), middle + mad * deviation)
