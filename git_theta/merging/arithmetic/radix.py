"""The k-th largest of many numbers in constant memory: radix selection.

The bits of a non-negative float, read as an integer, are in the order of its values. So a histogram of the highest 16
bits says in which bin the k-th largest lies, and further passes, over that bin alone, find the lower bits. Nothing is
sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from git_theta.merging.arithmetic import masks
from git_theta.merging.arithmetic.brackets import Magnitudes, Rank, Ranked, Threshold
from git_theta.tensors.array_library import Vector, namespace, to_numpy
from git_theta.tensors.arrays import Parallel

Histograms = dict[int, Vector]
"""By the leading bits of magnitudes, how often each next digit follows them."""

_DIGIT = 16


class Radix:
    """Finds the magnitudes of some ranks, 1 being the largest, a digit in each pass."""

    def __init__(self, ranks: Iterable[int], *, wide: bool) -> None:
        self._top = self._low = 63 if wide else 31
        self._high = self._top
        self._histograms: Histograms = {}
        self._places = {rank: (0, rank) for rank in ranks}
        """Rank to the leading bits of its magnitude, and its rank among the magnitudes that begin like that."""

    def is_done(self) -> bool:
        """Whether all digits are known."""
        return self._low == 0

    def open(self) -> None:
        """Begin a pass."""
        self._high, self._low = self._low, max(0, self._low - _DIGIT)
        self._histograms = {}

    def count(self, magnitude: Vector) -> Histograms:
        """The digits of a chunk."""
        digits = 1 << (self._high - self._low)
        counts = {}
        for prefix in {prefix for prefix, _ in self._places.values()}:
            begins = magnitude
            if self._high < self._top:
                begins = magnitude[masks.indices(magnitude >> self._high == prefix)] & ((1 << self._high) - 1)
            counts[prefix] = namespace(begins).bincount(begins >> self._low, minlength=digits)
        return counts

    def add(self, counts: Histograms) -> None:
        """Take what was counted."""
        self._histograms = _add(self._histograms, counts)

    def close(self) -> None:
        """End a pass."""
        digits = self._high - self._low
        for rank, (prefix, place) in self._places.items():
            digit, rest = _descend(self._histograms[prefix], place)
            self._places[rank] = (prefix << digits | digit, rest)

    def magnitude_of(self, rank: int) -> Ranked:
        """What has that rank, when all digits are known."""
        return Ranked(*self._places[rank])


def _add(total: Histograms, more: Histograms) -> Histograms:
    """Both together, in the first."""
    for prefix, counts in more.items():
        if prefix in total:
            total[prefix] += counts
        else:
            total[prefix] = counts
    return total


def _descend(histogram: Vector, rank: int) -> tuple[int, int]:
    """The bin that holds the rank-th largest, and its rank within the bin."""
    from_the_top = histogram[::-1].cumsum()
    bins = int((from_the_top < rank).sum())
    return len(histogram) - 1 - bins, rank - (int(from_the_top[bins - 1]) if bins else 0)


def search(
    tensors: Mapping[str, Magnitudes], wanted: Sequence[Rank], parallel: Parallel, *, wide: bool
) -> dict[Rank, Threshold]:
    """What the heads have at these ranks; ``wide``: whether magnitudes are int64."""
    radixes = {
        head: Radix([asked.rank for asked in wanted if asked.head == head], wide=wide)
        for head in dict.fromkeys(asked.head for asked in wanted)
    }
    while not all(radix.is_done() for radix in radixes.values()):
        for radix in radixes.values():
            radix.open()
        for counted in parallel(partial(count_digits, radixes), tensors.values()):
            for head, counts in counted.items():
                radixes[head].add(counts)
        for radix in radixes.values():
            radix.close()
    found = {asked: radixes[asked.head].magnitude_of(asked.rank) for asked in wanted}
    totals = list(parallel(partial(count_ranked, found), tensors.values()))
    return {
        asked: Threshold(one, {name: counts[asked] for name, counts in zip(tensors, totals, strict=True)})
        for asked, one in found.items()
    }


def count_digits(radixes: Mapping[int, Radix], source: Magnitudes) -> dict[int, Histograms]:
    """The digits of a tensor, by head: a task."""
    totals: dict[int, Histograms] = {head: {} for head in radixes}
    for heads in source.read():
        for head, radix in radixes.items():
            totals[head] = _add(totals[head], radix.count(heads[head]))
    return {head: {prefix: to_numpy(counts) for prefix, counts in total.items()} for head, total in totals.items()}


def count_ranked(found: Mapping[Rank, Ranked], source: Magnitudes) -> dict[Rank, int]:
    """How many elements of a tensor have just the magnitudes that were found: a task."""
    counts = dict.fromkeys(found, 0)
    for heads in source.read():
        for asked, one in found.items():
            counts[asked] += masks.count(heads[asked.head] == one.magnitude)
    return counts
