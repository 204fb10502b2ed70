"""The k-th largest magnitude of one tensor or of many, exactly and in constant memory: radix selection on bits.

The bits of a non-negative float, read as an integer, are in the order of its values. So a histogram of the highest 16
bits says in which bin the k-th largest lies, and further passes, over that bin alone, find the lower bits. Nothing is
sorted. NaNs count as one magnitude, the largest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from git_theta.merging import masks
from git_theta.tensors.arrays import Parallel

if TYPE_CHECKING:
    from torch import Tensor

    Read = Callable[[], Iterable[Sequence[Tensor]]]
    """Reads a tensor once: chunk by chunk each head's magnitudes."""
    Histograms = dict[int, Tensor]
    """By the leading bits of magnitudes, how often each next digit follows them."""
    Ties = Counter[tuple[str, int, int]]

_DIGIT = 16


class Cut(NamedTuple):
    """What is kept of a tensor: magnitudes above ``above`` (in bits; -1: all), and the first ``ties`` that equal it."""

    above: int
    ties: int = 0


class Found(NamedTuple):
    """A magnitude of some rank: how many of the ``total`` elements that have it are within the rank."""

    magnitude: int
    within: int
    total: int


def infinity(*, wide: bool) -> int:
    """The magnitude of infinity. NaN is one above."""
    return 0x7FF << 52 if wide else 0xFF << 23


def magnitudes(values: Tensor, *, wide: bool) -> Tensor:
    """|x| as integers in the order of magnitudes: int64 if ``wide``, else int32."""
    import torch

    absolute = values.to(torch.float64 if wide else torch.float32).abs()
    return masks.bits(absolute).clamp_(max=infinity(wide=wide) + 1)


class Keeper:
    """Applies a cut to a tensor that comes in chunks, in order."""

    def __init__(self, cut: Cut) -> None:
        self._above, self._ties = cut

    def mask(self, magnitude: Tensor) -> Tensor:
        """-1 for each element of the next chunk that is kept, else 0."""
        mask = masks.above(magnitude, self._above)
        if self._ties:
            ties = masks.indices(magnitude == self._above)[: self._ties]
            mask[ties] = -1
            self._ties -= len(ties)
        return mask


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

    def count(self, magnitude: Tensor) -> Histograms:
        """The digits of a chunk."""
        import torch

        digits = 1 << (self._high - self._low)
        counts = {}
        for prefix in {prefix for prefix, _ in self._places.values()}:
            begins = magnitude
            if self._high < self._top:
                begins = magnitude[masks.indices(magnitude >> self._high == prefix)] & ((1 << self._high) - 1)
            counts[prefix] = torch.bincount(begins >> self._low, minlength=digits)
        return counts

    def add(self, counts: Histograms) -> None:
        """Take what was counted."""
        self._histograms = _added(self._histograms, counts)

    def close(self) -> None:
        """End a pass."""
        digits = self._high - self._low
        for rank, (prefix, place) in self._places.items():
            digit, rest = _descend(self._histograms[prefix], place)
            self._places[rank] = (prefix << digits | digit, rest)

    def found(self, rank: int) -> Found:
        """What has that rank, when all digits are known."""
        magnitude, within = self._places[rank]
        digits = self._high - self._low
        total = self._histograms[magnitude >> digits][magnitude & ((1 << digits) - 1)]
        return Found(magnitude, within, int(total))


def _added(total: Histograms, more: Histograms) -> Histograms:
    for prefix, counts in more.items():
        if prefix in total:
            total[prefix] += counts
        else:
            total[prefix] = counts
    return total


def _descend(histogram: Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the rank-th largest, and its rank within the bin."""
    from_the_top = histogram.flip(0).cumsum(0)
    bins = int((from_the_top < rank).sum())
    return len(histogram) - 1 - bins, rank - (int(from_the_top[bins - 1]) if bins else 0)


def cuts(
    tensors: Mapping[str, Read], ranks: Sequence[Sequence[int]], *, wide: bool, parallel: Parallel = map
) -> dict[str, list[list[Cut]]]:
    """Where each tensor of each head is cut, so that every rank keeps exactly that many of the head's elements.

    Args:
        tensors: by name, in order, what reads each; called once in each pass.
        ranks: for each head, how many elements to keep over all its tensors; several numbers for several cuts.
        wide: whether magnitudes are int64.
        parallel: how to map over tensors.

    Returns: by tensor, by head, the cuts in the order of the head's ranks. Among equal magnitudes, earlier tensors and
    lower indices are kept.
    """
    found = _search(tensors, ranks, wide=wide, parallel=parallel)
    split = {(head, one.magnitude) for head, several in enumerate(found) for one in several if _is_split(one)}
    ties = _count(tensors, split, parallel) if split and len(tensors) > 1 else None
    names = list(tensors)
    return {
        name: [[_deal(one, name, head, ties, names) for one in several] for head, several in enumerate(found)]
        for name in names
    }


def _is_split(found: Found) -> bool:
    """Whether some of the elements that have the magnitude are kept, and some are not."""
    return 0 < found.within < found.total


def _deal(found: Found, name: str, head: int, ties: Ties | None, names: Sequence[str]) -> Cut:
    """One tensor's part in what is kept."""
    if not _is_split(found):
        return Cut(found.magnitude - (found.within > 0))
    if ties is None:
        return Cut(found.magnitude, found.within)
    earlier = sum(ties[other, head, found.magnitude] for other in names[: names.index(name)])
    return Cut(found.magnitude, min(max(0, found.within - earlier), ties[name, head, found.magnitude]))


def _search(
    tensors: Mapping[str, Read], ranks: Sequence[Sequence[int]], *, wide: bool, parallel: Parallel
) -> list[list[Found]]:
    radixes = [Radix(filter(None, wanted), wide=wide) for wanted in ranks]
    while not radixes[0].is_done():
        for radix in radixes:
            radix.open()
        for counted in parallel(partial(_histograms, radixes), tensors.values()):
            for radix, counts in zip(radixes, counted, strict=True):
                radix.add(counts)
        for radix in radixes:
            radix.close()
    nothing = Found(infinity(wide=wide) + 1, 0, 0)
    return [
        [radix.found(rank) if rank else nothing for rank in wanted]
        for radix, wanted in zip(radixes, ranks, strict=True)
    ]


def _histograms(radixes: Sequence[Radix], read: Read) -> list[Histograms]:
    """The digits of a tensor, for each head."""
    totals: list[Histograms] = [{} for _ in radixes]
    for heads in read():
        totals = [
            _added(total, radix.count(magnitude))
            for total, radix, magnitude in zip(totals, radixes, heads, strict=True)
        ]
    return totals


def _count(tensors: Mapping[str, Read], wanted: Iterable[tuple[int, int]], parallel: Parallel) -> Ties:
    """How many elements of each tensor have a magnitude that only some of may be kept: by name, head, magnitude."""

    def counted(item: tuple[str, Read]) -> Ties:
        name, read = item
        counts: Ties = Counter()
        for heads in read():
            for head, magnitude in wanted:
                counts[name, head, magnitude] += int((heads[head] == magnitude).sum())
        return counts

    return sum(parallel(counted, tensors.items()), Counter())
