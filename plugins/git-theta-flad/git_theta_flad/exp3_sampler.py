"""EXP3-FLAD: data sets are drawn at random, those of greater rewards more often.

Source: arXiv 2302.00674, algorithm 1. With K data sets, in turn t:

    E_t = min(1/K, sqrt(ln K / (K t))),  E_0 = 1/K
    p(a) = (1 - K E_t) exp(E_{t-1} R_a) / sum of exp(E_{t-1} R_b) + E_t
    R_a += reward of a / p(a), for each a that was drawn in the turn

What R begins with, the same number for all, changes no probability.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from git_theta.errors import UsageError

from git_theta_flad.base import FladSampler


@dataclass
class Exp3Sampler(FladSampler):
    """Draws data sets by the probabilities above, those of one turn independently of each other.

    Attributes:
        seed: a draw depends on it and on how many there were before, and on no other randomness.
    """

    algorithm: ClassVar[str] = "exp3"

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.seed) is not int:
            raise UsageError(f"seed is {self.seed!r}", hint="It is to be a whole number.")

    @classmethod
    def begin(cls, names: Iterable[str], seed: int = 0) -> Exp3Sampler:
        """A sampler that knows nothing yet. Raises UsageError for no names, and for one that is there twice."""
        listed = list(names)
        if len(set(listed)) < len(listed):
            raise UsageError(f"a data set is named twice: {listed}", hint="Give each a name of its own.")
        return cls(dict.fromkeys(listed, 0.0), seed=seed)

    def rate_names(self) -> dict[str, float]:
        """The probability of each."""
        floor, rate = self._find_exploration(self.turn), self._find_exploration(self.turn - 1)
        highest = max(self.estimates.values())  # exp of a difference from it never overflows
        powers = {name: math.exp(rate * (one - highest)) for name, one in self.estimates.items()}
        share = (1 - len(powers) * floor) / math.fsum(powers.values())
        return {name: share * power + floor for name, power in powers.items()}

    def pick_name(self) -> str:
        rates = self.rate_names()
        # A number per draw, and no generator with a state of its own: that would be 625 words to keep.
        drawn = random.Random(f"{self.seed}:{sum(self.batches.values())}").random()
        sums = list(accumulate(rates.values()))
        return list(rates)[bisect(sums, drawn * sums[-1], hi=len(sums) - 1)]

    def revise_estimates(self, rewards: Mapping[str, float]) -> None:
        rates = self.rate_names()
        for name, reward in rewards.items():
            self.estimates[name] += reward / rates[name]

    def _find_exploration(self, turn: int) -> float:
        """E of a turn."""
        count = len(self.estimates)
        return min(1 / count, math.sqrt(math.log(count) / (count * turn))) if turn else 1 / count
