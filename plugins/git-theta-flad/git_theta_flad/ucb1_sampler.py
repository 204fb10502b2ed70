"""UCB1-FLAD: the data set with the greatest upper bound of its reward is next.

Source: arXiv 2302.00674, algorithm 2. R_a begins with the alignment of a before training, which counts as its first
batch: n_a begins with 1. Then, with t batches in all,

    a = argmax of R_a + sqrt(2 ln t / n_a),  n_a += 1
    R_a = (1 - beta) R_a + beta times the reward of a, for each a that was chosen in the turn
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from git_theta.errors import UsageError

from git_theta_flad.base import FladSampler


@dataclass
class Ucb1Sampler(FladSampler):
    """Chooses by the bounds above; where two are the same, the one that was named first.

    Attributes:
        smoothing: the paper's beta, above 0 and up to 1: how much a new reward counts against all before it.
    """

    algorithm: ClassVar[str] = "ucb1"

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.smoothing, int | float) or not 0 < self.smoothing <= 1:
            raise UsageError(f"smoothing is {self.smoothing!r}", hint="It is to be above 0, and 1 at most.")
        if missing := self.estimates.keys() - self.batches.keys():
            raise UsageError(f"it has no batch of {min(missing)!r}", hint="Its first alignment counts as one.")

    @classmethod
    def begin(cls, alignments: Mapping[str, float], smoothing: float = 0.1) -> Ucb1Sampler:
        """A sampler that knows the alignment of each data set with the target before training.

        ``smoothing``: 0.1 as the authors' code has it. Raises UsageError for no data sets, for what is no finite
        number, and for a smoothing out of range.
        """
        return cls(dict(alignments), batches=dict.fromkeys(alignments, 1), smoothing=smoothing)

    def rate_names(self) -> dict[str, float]:
        """The upper bound of each one's reward."""
        width = 2 * math.log(sum(self.batches.values()))
        return {name: one + math.sqrt(width / self.batches[name]) for name, one in self.estimates.items()}

    def pick_name(self) -> str:
        rates = self.rate_names()
        return max(rates, key=rates.__getitem__)

    def revise_estimates(self, rewards: Mapping[str, float]) -> None:
        for name, reward in rewards.items():
            self.estimates[name] = (1 - self.smoothing) * self.estimates[name] + self.smoothing * reward
