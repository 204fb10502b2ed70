"""Means of the heads' values; the base plays no part."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from git_theta.errors import UsageError
from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.numerics import compute, labels, shared_weight, weight, weighted_sum
from git_theta.tensors.array_library import Vector


@dataclass(frozen=True)
class Mean(Strategy):
    """sum of w_i x_i / sum of w_i."""

    array_library: Takes = "any"

    def check(self, contest: Contest) -> None:
        if contest.weights and math.fsum(contest.weights) == 0:
            raise UsageError("the weights add up to 0", hint="A mean divides by their sum.")

    def merge(self, contest: Contest) -> Iterator[Vector]:
        heads = contest.heads()
        weights = [weight(contest, head.weight) for head in heads]
        total = math.fsum(head.weight for head in heads)
        divisor = shared_weight(contest, total)
        contest.report.weights = tuple(head.weight / total for head in sorted(heads, key=lambda head: head.position))
        return compute(
            contest,
            [head.operand for head in heads],
            labels(heads),
            lambda chunk: weighted_sum(chunk.values, weights) / divisor,
        )


_SOURCE = "Wortsman et al., Model soups (arXiv 2203.05482)"

AVERAGE = Mean("average", "The mean of all heads: sum of x_i / N.", _SOURCE)
WEIGHTED = Mean(
    "weighted",
    "The weighted mean: sum of w_i x_i / sum of w_i.",
    _SOURCE,
    takes_weights=True,
    details="Weights may be of any size and sign, as long as their sum is not 0; equal ones where none are given.",
)
