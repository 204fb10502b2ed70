"""What was measured, and what it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

OURS = "git-theta"
LFS = "git-lfs"
MERGEKIT = "mergekit"

PagePart = Literal["benchmarks", "share", "merges", "diffs", "evaluations", "scale"]

MB = 1_000_000
MEMORY = {"git": 64 * MB, OURS: 300 * MB}
"""The most that a process of ours, or of Git where it runs ours, may have resident: in bytes, whatever the step."""


@dataclass
class Result:
    """One step, by contender.

    Attributes:
        story, step: what was done to what.
        part: of the page of results that it stands in.
        bound: the contenders whose times, added up, no tool can beat.
        budgets: what ours must hold.
        memory: bytes that a process of ours may have resident at most.
        once: contenders that take part in the first round alone.
        git_memory: bytes that a process of Git may have resident at most, where it runs ours.
        seconds: of each round; one index is one round, in which the contenders ran one after the other.
        peaks: program -> bytes resident at most.
        stored: bytes by which files in ``.git`` grew.
        filters: how many Git started.
    """

    story: str
    step: str
    bound: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()
    memory: int = MEMORY[OURS]
    once: tuple[str, ...] = ()
    part: PagePart = "benchmarks"
    git_memory: int = MEMORY["git"]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, Mapping[str, int]] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    filters: dict[str, int] = field(default_factory=dict)

    def median(self, *contenders: str) -> float:
        """Seconds, of the contenders' sum where there are several."""
        return statistics.median(self._totals(contenders))

    def ratio(self, *others: str) -> float:
        """Ours over the sum of the others: the median of each round's, since what slows a machine slows a round."""
        rounds = zip(self.seconds[OURS], self._totals(others), strict=not set(others) <= set(self.once))
        return statistics.median(ours / theirs for ours, theirs in rounds)

    def excess(self, other: str) -> float:
        """Seconds that ours takes longer: the median of each round's."""
        return statistics.median(map(float.__sub__, self.seconds[OURS], self.seconds[other]))

    def excess_over_terms(self, terms: Sequence[tuple[float, str]]) -> float:
        """Seconds that ours takes longer than so many times the others together: the median of each round's."""
        others = zip(*(self.seconds[name] for _, name in terms), strict=True)
        factors = [float(factor) for factor, _ in terms]
        allowed = [sum(map(float.__mul__, factors, times)) for times in others]
        return statistics.median(map(float.__sub__, self.seconds[OURS], allowed))

    def _totals(self, contenders: tuple[str, ...]) -> list[float]:
        return [sum(times) for times in zip(*(self.seconds[name] for name in contenders), strict=True)]


class Budget(Protocol):
    """A promise about ours; its text says what is promised."""

    def is_met(self, result: Result) -> bool:
        """Whether this result keeps it."""


@dataclass(frozen=True)
class WithinRatio:
    """At most ``limit`` times what the others take together."""

    limit: float
    others: tuple[str, ...]

    def is_met(self, result: Result) -> bool:
        return result.ratio(*self.others) <= self.limit

    def __str__(self) -> str:
        names = " + ".join(self.others)
        return f"≤ {self.limit:g} x {f'({names})' if len(self.others) > 1 else names}"


@dataclass(frozen=True)
class WithinTerms:
    """At most so many times each of the others, added up: less than 0 times takes away what another one includes."""

    terms: tuple[tuple[float, str], ...]

    def is_met(self, result: Result) -> bool:
        return result.excess_over_terms(self.terms) <= 0

    def __str__(self) -> str:
        words = " ".join(
            f"{'+' if factor > 0 else '-'} {_format_factor(abs(factor))}{name}" for factor, name in self.terms
        )
        return f"≤ {words.removeprefix('+ ')}"


def _format_factor(factor: float) -> str:
    return "" if factor == 1 else f"{factor:g} x "


@dataclass(frozen=True)
class WithinExcess:
    """At most ``seconds`` more than another."""

    seconds: float
    other: str

    def is_met(self, result: Result) -> bool:
        return result.excess(self.other) <= self.seconds

    def __str__(self) -> str:
        return f"≤ {self.seconds * 1000:g} ms over {self.other}"


@dataclass(frozen=True)
class WithinSeconds:
    """At most ``seconds``, whatever the size: only for what is done in far less than that."""

    seconds: float

    def is_met(self, result: Result) -> bool:
        return result.median(OURS) <= self.seconds

    def __str__(self) -> str:
        return f"≤ {self.seconds:g} s"


@dataclass(frozen=True)
class WithinBytes:
    """At most so many ``bytes`` more under ``.git``."""

    bytes: int

    def is_met(self, result: Result) -> bool:
        return result.stored[OURS] <= self.bytes

    def __str__(self) -> str:
        return f"stores ≤ {self.bytes / MB:.1f} MB"


@dataclass(frozen=True)
class StartsNoFilter:
    """Git does not even ask."""

    def is_met(self, result: Result) -> bool:
        return result.filters[OURS] == 0

    def __str__(self) -> str:
        return "starts no filter"
