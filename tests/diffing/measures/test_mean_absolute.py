"""``mean-absolute``: the laws of the seam, and its sum, correctly rounded."""

from __future__ import annotations

import math

from git_theta.diffing.measures.mean_absolute import MeanAbsolute
from git_theta.testing.measures import MeasureLaws


class TestMeanAbsolute(MeasureLaws):
    def make_measure(self) -> MeanAbsolute:
        return MeanAbsolute()

    def oracle(self, before: list[float], after: list[float]) -> float:
        return math.fsum(abs(other - one) for one, other in zip(before, after, strict=True)) / len(before)
