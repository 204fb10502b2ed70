"""Electing a sign per element, and combining the heads that agree with it."""

from __future__ import annotations

import math

from git_theta.merging.arithmetic import masks
from git_theta.merging.base import Contest, ContestHead
from git_theta.merging.numerics import is_wide, shared_weight, weighted_sum
from git_theta.tensors.array_library import Vector, lies_within, namespace


class Combination:
    """What becomes of the terms w_i s_i.

    Args:
        contest: with the option ``normalize``: divide by the weights of the heads that count.
        heads: whose terms they are.
        elect: whether only heads count that agree with the sign of the sum, and are not zero.
        lean: the sign where the sum is zero: 0 for positive, 1 for negative.
    """

    def __init__(self, contest: Contest, heads: list[ContestHead], *, elect: bool, lean: int) -> None:
        self._elect, self._lean = elect, lean
        self._normalize = contest.options["normalize"]
        self._weights = [shared_weight(contest, head.weight) for head in heads]
        self._total = shared_weight(contest, math.fsum(head.weight for head in heads))
        self._least = shared_weight(contest, 5e-324 if is_wide(contest) else 2.0**-149)
        """The smallest number: what to divide by where no head counts, and the sum is 0."""

    def __call__(self, terms: list[Vector]) -> Vector:
        total = add(terms)
        if not self._elect:
            return total / self._total if self._normalize else total
        if not lies_within(total, math.inf):
            total, terms = masks.positive_nan(total), list(map(masks.positive_nan, terms))
        agreeing = _keep_agreeing(terms, _elect_sign(total, self._lean))
        return self._mean(agreeing) if self._normalize else add(agreeing)

    def _mean(self, agreeing: list[Vector]) -> Vector:
        counting = [masks.apply(by, masks.nonzero(term)) for by, term in zip(self._weights, agreeing, strict=True)]
        return add(agreeing) / namespace(agreeing[0]).maximum(add(counting), self._least)


def add(terms: list[Vector]) -> Vector:
    """The sum, term after term."""
    return weighted_sum(terms, [None] * len(terms))


def _elect_sign(total: Vector, lean: int) -> Vector:
    """-1 where the sign is negative. As an integer, 0.0 less one is negative, and no other float changes its sign."""
    return masks.mark_negative(masks.bits(total) - lean)


def _keep_agreeing(terms: list[Vector], sign: Vector) -> list[Vector]:
    """The terms where they have that sign; 0.0 elsewhere."""
    other = ~sign
    return [masks.apply(term, masks.mark_negative(masks.bits(term) ^ other)) for term in terms]
