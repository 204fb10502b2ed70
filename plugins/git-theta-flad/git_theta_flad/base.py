"""What a sampler is: it chooses an auxiliary data set for each batch, and learns from what that was worth.

Source: Albalak, Raffel and Wang, Improving Few-Shot Generalization by Exploring and Exploiting Auxiliary Data (arXiv
2302.00674). A turn is a step of the optimizer: some batches of auxiliary data, each of a data set that the sampler
chooses, then a reward for each data set that was chosen in it.

Laws: all that a sampler knows is in its fields, which JSON holds without loss: one that is read again chooses what the
one that was written would have chosen, bit for bit, in the middle of a turn, too.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from git_theta.errors import UsageError

_MOST = 2**53
"""Counts up to here are numbers of fp64."""


@dataclass
class FladSampler(ABC):
    """A bandit whose arms are data sets.

    Attributes:
        estimates: what is known of each data set's reward, by name: the paper's R of a.
        turn: the number of the turn, from 1.
        batches: how many batches of each data set were chosen.
        chosen: those that were chosen in this turn, without those of none.
    """

    algorithm: ClassVar[str]
    """What it is called in a file."""

    estimates: dict[str, float]
    turn: int = 1
    batches: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UsageError for what cannot be: a file may say it."""
        require_numbers(self.estimates, "estimate")
        for counts in (self.batches, self.chosen, {"turn": self.turn}):
            if wrong := {name: one for name, one in counts.items() if type(one) is not int or not 1 <= one <= _MOST}:
                raise UsageError(f"it has counted {wrong}", hint="A count is a whole number, 1 at least.")
        if unknown := (self.batches.keys() | self.chosen.keys()) - self.estimates.keys():
            raise UsageError(f"it has batches of {_list_names(unknown)}", hint="It has estimates of other data sets.")

    @abstractmethod
    def rate_names(self) -> dict[str, float]:
        """What the next choice is made by, for each data set: its probability, or its upper bound."""

    @abstractmethod
    def pick_name(self) -> str:
        """The data set of the next batch; changes nothing."""

    @abstractmethod
    def revise_estimates(self, rewards: Mapping[str, float]) -> None:
        """Take rewards in, of all data sets that were chosen in this turn."""

    def choose(self) -> str:
        """Choose the data set of the next batch."""
        name = self.pick_name()
        self.batches[name] = self.batches.get(name, 0) + 1
        self.chosen[name] = self.chosen.get(name, 0) + 1
        return name

    def learn(self, rewards: Mapping[str, float]) -> None:
        """End the turn with what it was worth.

        Args:
            rewards: for each data set that was chosen in this turn, a number: the paper's is the cosine of the sum of
                its gradients with the target's gradient (``measure_alignment``).

        Raises UsageError for other data sets than these, and for what is no finite number; nothing is learnt then.
        """
        if rewards.keys() != self.chosen.keys():
            raise UsageError(
                f"rewards are for {_list_names(rewards)}, and this turn has chosen {_list_names(self.chosen)}",
                hint="Give one for each data set that was chosen since the last rewards.",
            )
        require_numbers(rewards, "reward")
        self.revise_estimates(rewards)
        self.turn += 1
        self.chosen = {}


def require_numbers(values: Mapping[str, float], what: str) -> None:
    """Raise UsageError for no data sets, and for a value that is no finite number."""
    if not values:
        raise UsageError("there are no data sets to choose from", hint="Name one at least.")
    for name, value in values.items():
        if not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise UsageError(f"the {what} of {name!r} is {value!r}", hint="It is to be a finite number.")


def _list_names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
