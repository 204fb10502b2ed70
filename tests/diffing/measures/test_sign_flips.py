"""``sign-flips``: the laws of the seam, and what it counts."""

from __future__ import annotations

from git_theta.diffing.measures.sign_flips import SignFlips
from git_theta.testing.measures import MeasureLaws


class TestSignFlips(MeasureLaws):
    def make_measure(self) -> SignFlips:
        return SignFlips()

    def oracle(self, before: list[float], after: list[float]) -> float:
        turned = [(one > 0 > other) or (one < 0 < other) for one, other in zip(before, after, strict=True)]
        return sum(turned) / len(turned)
