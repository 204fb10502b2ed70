"""How far the heads' changes of a contested parameter agree: cosines, and how often their signs contradict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from git_theta.merging.base import Contest, Operand
from git_theta.merging.checks import is_floating
from git_theta.merging.held import held
from git_theta.merging.numerics import numbers, stream
from git_theta.merging.reductions import products


class Agreement(NamedTuple):
    """What two heads did to a parameter since the merge base.

    Attributes:
        heads: their positions.
        cosine: of the two changes; None where one is zero or not finite.
        sign_conflicts: the share of elements that one raised and the other lowered.
    """

    heads: tuple[int, int]
    cosine: float | None
    sign_conflicts: float


def agreements(contest: Contest) -> list[Agreement]:
    """Every pair of heads; none where changes have no numbers: without a base, of integers, of other shapes or dtypes.

    Reads all tensors twice, in constant memory.
    """
    contest = held(contest)
    heads, base = contest.heads(), contest.base
    specs = {head.operand.spec for head in heads}
    if base is None or specs != {base.spec} or not is_floating(base.spec.dtype) or not numbers(contest):
        return []
    heads.sort(key=lambda head: head.position)
    operands = [head.operand for head in heads]
    dots = products(contest, operands, base)
    shares = _contradictions(contest, operands, base)
    return [
        Agreement((heads[i].position, heads[j].position), _cosine(dots, i, j), shares[i, j])
        for i, j in combinations(range(len(heads)), 2)
    ]


def _cosine(dots: dict[tuple[int, int], float], i: int, j: int) -> float | None:
    length = math.sqrt(dots[i, i]) * math.sqrt(dots[j, j])
    return max(-1.0, min(1.0, dots[i, j] / length)) if 0 < length < math.inf else None


def _contradictions(contest: Contest, operands: Sequence[Operand], base: Operand) -> dict[tuple[int, int], float]:
    counts = dict.fromkeys(combinations(range(len(operands)), 2), 0)
    for chunk in stream(contest, [*operands, base]):
        signs = [(values - chunk.values[-1]).sign() for values in chunk.values[:-1]]
        for i, j in counts:
            counts[i, j] += int((signs[i] * signs[j] < 0).sum())
    return {pair: count / numbers(contest) for pair, count in counts.items()}
