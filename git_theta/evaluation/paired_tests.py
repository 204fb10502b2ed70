"""Tests of two versions on the same items, and what many of them at a time come to.

- Sign test, exact and two-sided: McNemar's test on the items that were lost and won (Q. McNemar, Psychometrika 1947).
- Paired permutation test: the signs of the differences are drawn at random (R. A. Fisher, The Design of Experiments).
- Holm's step-down adjustment over buckets (S. Holm, Scandinavian Journal of Statistics 1979).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 10_000
"""Of a permutation test."""
_EXACT = 4096
"""Items up to which binomial coefficients are summed as whole numbers."""
_BLOCK = 1 << 26
"""Signs that are drawn at a time: 8 MiB of bits."""
_SAME = 1e-9
"""Below which two sums of the same differences are taken for equal: they are added up in another order."""


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean of one value or more, exactly summed: the same in whatever order they come."""
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True)) / math.fsum(weights)


def sign_test(lost: int, won: int) -> float:
    """The two-sided p of so many losses and wins, were both as likely; 1 where there is neither."""
    total, fewer = lost + won, min(lost, won)
    if not total or lost == won:
        return 1.0
    if total <= _EXACT:
        return min(1.0, 2 * sum(_list_coefficients(total, fewer)) / (1 << total))
    steps = (math.log(total - k) - math.log(k + 1) for k in range(fewer))
    logs = list(accumulate(steps, initial=-total * math.log(2)))
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def _list_coefficients(total: int, last: int) -> Iterator[int]:
    """The binomial coefficients of ``total`` over 0, 1 ... ``last``."""
    coefficient = 1
    for k in range(last + 1):
        yield coefficient
        coefficient = coefficient * (total - k) // (k + 1)


def permutation_test(differences: Sequence[float], seed: int, label: str) -> float:
    """The two-sided p of a sum of paired differences, were their signs a matter of chance.

    Args:
        differences: after less before of each item, weighted.
        seed: what is drawn depends on it, and on the label, and on nothing else.
        label: of the bucket, which has draws of its own.

    Never 0: the observed signs count as one draw (B. Phipson and G. Smyth, 2010).
    """
    import numpy as np

    found = np.asarray([one for one in differences if one], dtype=np.float64)
    if not found.size:
        return 1.0
    found /= np.abs(found).max()
    observed = abs(math.fsum(found.tolist()))
    key = hashlib.sha256(f"{seed} {label}".encode(errors="surrogatepass")).digest()
    bits = np.random.Philox(key=int.from_bytes(key[:16], "little"))
    words = -(-found.size // 64)
    rows = max(1, _BLOCK // (64 * words))
    reached = 0
    for first in range(0, DRAWS, rows):
        count = min(rows, DRAWS - first)
        drawn = bits.random_raw(count * words).astype("<u8").view(np.uint8).reshape(count, -1)
        sums = found.sum() - 2 * _sum_flipped(drawn, found)
        reached += int(np.count_nonzero(np.abs(sums) >= observed - _SAME * max(1.0, observed)))
    return (reached + 1) / (DRAWS + 1)


def _sum_flipped(drawn: NDArray[np.uint8], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each row of bits, the lowest first, the sum of what is set: eight at a time, from a table of all their sums.

    Args:
        drawn: (draws, bytes); there may be more bits than differences.
        found: the differences.
    """
    import numpy as np

    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0, bitorder="little").astype(np.float64)
    eights = np.pad(found, (0, -found.size % 8)).reshape(-1, 8)
    sums = np.zeros(len(drawn))
    for column, eight in zip(np.ascontiguousarray(drawn.T), eights, strict=False):
        sums += (eight @ bits).take(column)
    return sums


def adjust_holm(values: Sequence[float]) -> list[float]:
    """Each p, adjusted for how many there are: below alpha, the errors of all of them together stay below alpha."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = highest
    return adjusted


def estimate_interval(
    differences: Sequence[float], weights: Sequence[float], alpha: float
) -> tuple[float, float] | None:
    """The interval of the weighted mean difference that misses the true one with probability alpha, by the normal
    approximation; None for less than two items.
    """
    if len(differences) < 2:
        return None
    from statistics import NormalDist  # with fractions and decimals, 9 ms

    mean = weighted_mean(differences, weights)
    spread = math.fsum((w * (d - mean)) ** 2 for w, d in zip(weights, differences, strict=True))
    error = math.sqrt(spread * len(differences) / (len(differences) - 1)) / math.fsum(weights)
    reach = NormalDist().inv_cdf(1 - alpha / 2) * error
    return mean - reach, mean + reach
