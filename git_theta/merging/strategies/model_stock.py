"""Model stock: how far from the base to the mean, by the angles between the task vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from git_theta.merging.arithmetic.reductions import products
from git_theta.merging.arithmetic.small_operands import hold_small
from git_theta.merging.base import Contest, ContestHead, Strategy, Takes
from git_theta.merging.numerics import Chunk, compute, labels, shared_weight, weighted_sum
from git_theta.tensors.array_library import Vector

SINGULAR = 1e-6
"""Below this denominator the unit task vectors cancel, and t would be what is left of rounding errors."""


@dataclass(frozen=True)
class ModelStock(Strategy):
    """base + t * mean of the task vectors, t = N c / (1 + (N - 1) c), c their mean pairwise cosine."""

    array_library: Takes = "any"

    def merge(self, contest: Contest) -> Iterator[Vector]:
        contest = hold_small(contest)
        assert contest.base
        heads = contest.heads()
        t, count = shared_weight(contest, _ratio(contest, heads)), shared_weight(contest, len(heads))

        def formula(chunk: Chunk) -> Vector:
            *values, base = chunk.values
            changes = [value - base for value in values]
            return base + weighted_sum(changes, [None] * len(changes)) / count * t

        operands = [*(head.operand for head in heads), contest.base]
        return compute(contest, operands, [*labels(heads), "base"], formula)


def _ratio(contest: Contest, heads: list[ContestHead]) -> float:
    dots = products(contest, [head.operand for head in heads], contest.base)
    pairs = list(combinations(range(len(heads)), 2))
    cosine = math.fsum(_cosine(dots, i, j) for i, j in pairs) / len(pairs)
    denominator = 1 + (len(heads) - 1) * cosine
    contest.report.facts["cosine"] = cosine
    if denominator < SINGULAR:
        contest.report.notes.append("The changes are opposite: the base is kept.")
    t = len(heads) * cosine / denominator if not denominator < SINGULAR else 0.0
    contest.report.facts["t"] = t
    return t


def _cosine(dots: dict[tuple[int, int], float], i: int, j: int) -> float:
    length = math.sqrt(dots[i, i]) * math.sqrt(dots[j, j])
    return dots[i, j] / length if length else 0.0


MODEL_STOCK = ModelStock(
    "model-stock",
    "base + t * mean(tau_i), t = N c / (1 + (N - 1) c), c the mean pairwise cosine of the task vectors tau_i.",
    "Jang, Yun, Han: Model stock (arXiv 2403.19522)",
    needs_base=True,
    details="""\
t is found per tensor, from inner products in fp64. A tensor that a head did not change counts with a cosine of 0. Where
the changes are opposite (1 + (N - 1) c below 1e-6), t is 0.""",
)
