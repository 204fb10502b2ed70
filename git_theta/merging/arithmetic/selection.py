"""Which elements of one tensor or of many are the largest, exactly and in constant memory.

A sample mostly says where to look (``brackets``); where it does not, bits are selected digit by digit (``radix``).
NaNs count as one magnitude, the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.merging.arithmetic import brackets, masks, radix
from git_theta.merging.arithmetic.brackets import Magnitudes, Rank, Threshold
from git_theta.tensors.array_library import Vector, namespace
from git_theta.tensors.arrays import Parallel


class Cut(NamedTuple):
    """What is kept of a tensor: magnitudes above ``above`` (in bits; -1: all), and the first ``ties`` that equal it."""

    above: int
    ties: int = 0


def infinity(*, wide: bool) -> int:
    """The magnitude of infinity. NaN is one above."""
    return 0x7FF << 52 if wide else 0xFF << 23


def magnitudes(values: Vector, *, wide: bool) -> Vector:
    """|x| as integers in the order of magnitudes: int64 if ``wide``, else int32."""
    xp = namespace(values)
    absolute = abs(xp.astype(values, xp.float64 if wide else xp.float32, copy=False))
    found = masks.bits(absolute)
    most = infinity(wide=wide)
    if len(found) and int(xp.max(found)) > most:
        found[found > most] = most + 1
    return found


class Keeper:
    """Applies a cut to a tensor that comes in chunks, in order."""

    def __init__(self, cut: Cut) -> None:
        self._above, self._ties = cut

    def mask(self, magnitude: Vector) -> Vector:
        """-1 for each element of the next chunk that is kept, else 0."""
        mask = masks.above(magnitude, self._above)
        if self._ties:
            ties = masks.indices(magnitude == self._above)[: self._ties]
            mask[ties] = -1
            self._ties -= len(ties)
        return mask


def cuts(
    tensors: Mapping[str, Magnitudes], ranks: Sequence[Sequence[int]], *, wide: bool, parallel: Parallel = map
) -> dict[str, list[list[Cut]]]:
    """Where each tensor of each head is cut, so that every rank keeps exactly that many of the head's elements.

    Args:
        tensors: by name, in order.
        ranks: for each head, how many elements to keep over all its tensors; several numbers for several cuts.
        wide: whether magnitudes are int64.
        parallel: how to map over tensors.

    Returns: by tensor, by head, the cuts in the order of the head's ranks. Among equal magnitudes, earlier tensors and
    lower indices are kept.
    """
    everything = sum(source.elements for source in tensors.values())
    settled = {0: Cut(infinity(wide=wide) + 1), everything: Cut(-1)}
    asked = {Rank(head, rank) for head, several in enumerate(ranks) for rank in several if rank not in settled}
    thresholds = _find_thresholds(tensors, sorted(asked), parallel, wide=wide)
    dealt = {one: _deal(threshold) for one, threshold in thresholds.items()}
    return {
        name: [
            [settled[rank] if rank in settled else dealt[Rank(head, rank)][name] for rank in several]
            for head, several in enumerate(ranks)
        ]
        for name in tensors
    }


def _find_thresholds(
    tensors: Mapping[str, Magnitudes], asked: Sequence[Rank], parallel: Parallel, *, wide: bool
) -> dict[Rank, Threshold]:
    found = brackets.search(tensors, asked, parallel) if asked else {}
    missing = [one for one in asked if one not in found]
    return found | (radix.search(tensors, missing, parallel, wide=wide) if missing else {})


def _deal(threshold: Threshold) -> dict[str, Cut]:
    """Each tensor's part in what is kept: of the elements that equal the threshold, the first ones."""
    left, cuts = threshold.found.within, {}
    for name, total in threshold.totals.items():
        ties = min(left, total)
        left -= ties
        cuts[name] = Cut(threshold.found.magnitude - 1) if ties == total else Cut(threshold.found.magnitude, ties)
    return cuts
