"""What there is to try: strategies, which of their options may vary, and between which values."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple


class SearchedOption(NamedTuple):
    """An option that is a matter of trying.

    Attributes:
        name: what the strategy calls it.
        default: the value that is tried first.
        low, high: the ends of what is tried.
        scale: whether steps are equal, or equal as factors.
    """

    name: str
    default: float
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    def place_of(self, value: float) -> float:
        """Where a value lies on the way from ``low`` (0) to ``high`` (1)."""
        low, high, at = map(self._scale_number, (self.low, self.high, value))
        return (at - low) / (high - low)

    def value_at(self, place: float) -> float:
        """The value at a place on that way."""
        low, high = self._scale_number(self.low), self._scale_number(self.high)
        at = low + place * (high - low)
        return math.exp(at) if self.scale == "log" else at

    def _scale_number(self, value: float) -> float:
        return math.log(value) if self.scale == "log" else value


class StrategySpace(NamedTuple):
    """A strategy, the options of it that are searched, and whether weights of heads are."""

    strategy: str
    options: tuple[SearchedOption, ...] = ()
    takes_weights: bool = False
