"""How far the heads of a round are from its start, and how much they agree: one pass over all of their values."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from git_theta.diffing.intersection import intersect_versions
from git_theta.diffing.weight_map import MapVersion, WeightMap
from git_theta.operations.comparing.version_map import bytes_to_read, map_versions
from git_theta.operations.context import Context
from git_theta.repository.rounds.shared_heads import RoundStart, SharedHead
from git_theta.words import join_some, pluralize, shorten_text


class MeasuredHeads(NamedTuple):
    """Heads, measured together.

    Attributes:
        products: inner products of their task vectors, over all checkpoints.
        faults: what is wrong with the numbers of each, in words; such a head has no products.
    """

    products: Sequence[Sequence[float]]
    faults: Sequence[Sequence[str]]

    def find_distance(self, place: int) -> float | None:
        """The norm of a head's task vector; None where it has none that is a number."""
        return None if self.faults[place] else math.sqrt(self.products[place][place])

    def compare_with(self, place: int, others: Collection[int]) -> float | None:
        """The cosine between a head's task vector and the sum of those of some others; None without a length."""
        others = [other for other in others if other != place]
        along = math.fsum(self.products[place][other] for other in others)
        length = math.fsum(self.products[one][other] for one in others for other in others)
        square = self.products[place][place] * max(length, 0.0)
        return max(-1.0, min(1.0, along / math.sqrt(square))) if square > 0 else None


def measure_heads(start: RoundStart, heads: Sequence[SharedHead], context: Context) -> MeasuredHeads:
    """The distances of heads, in their order.

    A number that is none in one head counts in no head's distance, so such heads are found out, and the others are
    measured again without them.
    """
    together = _measure_together(start, heads, context)
    if not any(together.faults):
        return together
    faults = [_measure_together(start, [head], context).faults[0] for head in heads]
    sound = [place for place, found in enumerate(faults) if not found]
    measured = _measure_together(start, [heads[place] for place in sound], context)
    products = [[0.0] * len(heads) for _ in heads]
    for row, one in zip(measured.products, sound, strict=True):
        for product, other in zip(row, sound, strict=True):
            products[one][other] = product
    return MeasuredHeads(products, faults)


def count_bytes(start: RoundStart, heads: Sequence[SharedHead]) -> int:
    """Bytes of values that measuring these heads reads."""
    return sum(
        bytes_to_read(intersect_versions([was.shards, *(head.checkpoints[path].shards for head in heads)]))
        for path, was in start.checkpoints.items()
    )


def _measure_together(start: RoundStart, heads: Sequence[SharedHead], context: Context) -> MeasuredHeads:
    products = [[0.0] * len(heads) for _ in heads]
    faults: list[list[str]] = [[] for _ in heads]
    for path, was in start.checkpoints.items() if heads else ():
        family = intersect_versions([was.shards, *(head.checkpoints[path].shards for head in heads)])
        if not family.shared:
            continue
        members = [MapVersion(head.commit, head.commit) for head in heads]
        chart = map_versions(path, MapVersion(start.round.tag, start.round.start), members, family, context)
        for one, found in enumerate(faults):
            found += _find_faults(chart, one)
            for other, cosine in enumerate(chart.cosines[one]):
                products[one][other] += (cosine or 0.0) * chart.norms[one] * chart.norms[other]
    return MeasuredHeads(products, faults)


def _find_faults(chart: WeightMap, place: int) -> list[str]:
    """What is wrong with the numbers of a head."""
    more = {name: counts[place + 1] - counts[0] for name, counts in chart.nonfinite_in.items()}
    spoiled = [f"{shorten_text(name)} ({pluralize(count, 'number')})" for name, count in more.items() if count > 0]
    faults = [f"{chart.path}: NaN or infinite, and not so at the start: {join_some(spoiled)}"] if spoiled else []
    return faults + [f"{chart.path}: {one.name}: {one.reason}" for one in chart.failures]
