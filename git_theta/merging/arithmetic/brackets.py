"""The k-th largest of many numbers in one pass, mostly: a sample says about where it is, and a pass looks there.

The start of each tensor is sampled. Two magnitudes of the sample bracket the one of the wanted rank, with a margin; the
pass counts what lies above them, and how often each magnitude between them occurs. Where the rank falls among these the
answer is exact, whatever the sample was like; where it does not there is none, and ``radix`` finds it in more passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.merging.arithmetic import masks
from git_theta.tensors.array_library import Vector, namespace, to_numpy
from git_theta.tensors.arrays import Parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_DEVIATIONS = 3
"""How many standard deviations of a random sample a rank may be off, up or down."""
_SAMPLE = 1 << 18
"""Elements of a sample, over all tensors."""
_AT_ONCE = 1 << 16
"""Gathered elements that are counted together."""
_HELD = 1 << 20
"""Different magnitudes held for one rank, counted in each tensor: 12 MB. With more the search is given up."""


class Magnitudes(NamedTuple):
    """A tensor that can be read any number of times: chunk by chunk, each head's magnitudes; and how many they are."""

    read: Callable[[], Iterable[Sequence[Vector]]]
    elements: int


class Ranked(NamedTuple):
    """A magnitude of some rank: how many of the elements that have it are within the rank."""

    magnitude: int
    within: int


class Rank(NamedTuple):
    """A head, and a rank among its elements: 1 for the largest."""

    head: int
    rank: int


class Bracket(NamedTuple):
    """Magnitudes from ``low`` to ``high``, both included."""

    low: int
    high: int


class Near:
    """What a tensor has near a threshold.

    Attributes:
        above: how many elements are above the bracket.
        magnitudes, counts: what is within, ascending, and how often.
    """

    def __init__(self, bracket: Bracket) -> None:
        import numpy as np

        self._bracket = bracket
        self._waiting: list[Vector] = []
        self.above = 0
        self.magnitudes: Array = np.empty(0, np.int32)
        self.counts: Array = np.empty(0, np.int64)

    def add(self, magnitude: Vector) -> None:
        """Count a chunk."""
        if len(self.magnitudes) > _HELD:
            return
        low, high = self._bracket
        self.above += masks.count(magnitude > high)
        self._waiting.append(magnitude[masks.indices((magnitude >= low) & (magnitude <= high))])
        if sum(map(len, self._waiting)) >= _AT_ONCE:
            self.close()

    def close(self) -> Near:
        """Count what waits; returns this."""
        if self._waiting:
            xp = namespace(self._waiting[0])
            found, counts = xp.unique_counts(xp.concat(self._waiting))
            self._waiting = []
            self._take(to_numpy(found), to_numpy(counts))
        return self

    def at_least(self, magnitude: int) -> int:
        """How many elements have that magnitude, which is within the bracket, or a larger one."""
        return self.above + int(self.counts[self.magnitudes.searchsorted(magnitude) :].sum())

    def _take(self, magnitudes: Array, counts: Array) -> None:
        import numpy as np

        self.magnitudes, places = np.unique(np.concatenate([self.magnitudes, magnitudes]), return_inverse=True)
        both = np.concatenate([self.counts, counts])
        self.counts = np.zeros(len(self.magnitudes), np.int64)
        np.add.at(self.counts, places, both)


class _Search:
    """For a threshold of one head, in all tensors: bisection, as what lies near it is known."""

    def __init__(self, bracket: Bracket) -> None:
        self._bracket = bracket
        self._nears: dict[str, Near] = {}
        self._held = 0

    def add(self, name: str, near: Near) -> None:
        """Take what a tensor has, or give up where that would be too much."""
        self._held += len(near.magnitudes)
        self._nears[name] = near
        if self._held > _HELD:
            self._nears.clear()

    def outcome(self, rank: int) -> Threshold | None:
        """What has that rank; None where it was given up, or is not within the bracket."""
        above = sum(near.above for near in self._nears.values())
        if self._held > _HELD or not above < rank <= self._at_least(self._bracket.low):
            return None
        low, high = self._bracket
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._at_least(middle) >= rank else (low, middle - 1)
        totals = {name: near.at_least(low) - near.at_least(low + 1) for name, near in self._nears.items()}
        return Threshold(Ranked(low, rank - self._at_least(low) + sum(totals.values())), totals)

    def _at_least(self, magnitude: int) -> int:
        return sum(near.at_least(magnitude) for near in self._nears.values())


class Threshold(NamedTuple):
    """What has a rank; and by tensor, how many elements have just that magnitude."""

    found: Ranked
    totals: Mapping[str, int]


def search(tensors: Mapping[str, Magnitudes], wanted: Sequence[Rank], parallel: Parallel) -> dict[Rank, Threshold]:
    """What the heads have at these ranks.

    Ranks that the sample misplaces, or that too many different magnitudes are near of, are not in the answer.
    """
    brackets = _guess(tensors, wanted, parallel)
    searches = {asked: _Search(bracket) for asked, bracket in brackets.items()}
    for name, nears in zip(tensors, parallel(partial(count_near, brackets), tensors.values()), strict=True):
        for asked, near in nears.items():
            searches[asked].add(name, near)
    outcomes = {asked: one.outcome(asked.rank) for asked, one in searches.items()}
    return {asked: outcome for asked, outcome in outcomes.items() if outcome}


def count_near(brackets: Mapping[Rank, Bracket], source: Magnitudes) -> dict[Rank, Near]:
    """What a tensor has near each rank: a task."""
    nears = {asked: Near(bracket) for asked, bracket in brackets.items()}
    for heads in source.read():
        for asked, near in nears.items():
            near.add(heads[asked.head])
    return {asked: near.close() for asked, near in nears.items()}


def _guess(tensors: Mapping[str, Magnitudes], wanted: Iterable[Rank], parallel: Parallel) -> dict[Rank, Bracket]:
    """A bracket for each rank, by what the samples have at it."""
    import numpy as np

    elements = sum(source.elements for source in tensors.values())
    sampled = parallel(partial(sample_magnitudes, most=_SAMPLE // len(tensors) + 1), tensors.values())
    samples = [sample for sample in sampled if sample]
    brackets = {}
    for asked in wanted:
        unsorted = np.concatenate([heads[asked.head] for heads, _ in samples])
        shares = np.concatenate([np.full(len(heads[asked.head]), share) for heads, share in samples])
        order = unsorted.argsort()[::-1]
        values, ranks = unsorted[order], shares[order].cumsum()
        margin = _DEVIATIONS * math.sqrt(asked.rank * (elements - asked.rank) / len(values))
        later, earlier = (int((ranks < asked.rank + by).sum()) for by in (margin, -margin))
        low = int(values[later]) if later < len(values) else 0
        high = int(values[earlier]) if earlier else np.iinfo(values.dtype).max
        brackets[asked] = Bracket(low, high)
    return brackets


def sample_magnitudes(source: Magnitudes, most: int) -> tuple[list[Array], float] | None:
    """A task: some of a tensor's first elements, by head, and how many of all each of them stands for.

    None of an empty one.
    """
    heads = next((heads for heads in source.read() if len(heads[0])), None)
    if heads is None:
        return None
    taken = [to_numpy(head)[:: len(heads[0]) // most + 1].copy() for head in heads]  # a view keeps all of the chunk
    return taken, source.elements / len(taken[0])
