"""How far the heads' changes of a contested parameter agree: lengths, cosines, and how often signs contradict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from git_theta.merging.base import Contest
from git_theta.merging.change_sums import ChangeSums, sum_changes
from git_theta.merging.checks import is_floating


class Agreement(NamedTuple):
    """What two heads did to a parameter since the merge base.

    Attributes:
        heads: their positions.
        cosine: of the two changes; None where one is zero.
        sign_conflicts: the share of elements that one raised and the other lowered.
    """

    heads: tuple[int, int]
    cosine: float | None
    sign_conflicts: float


class HeadChanges(NamedTuple):
    """What each head did to a parameter, since the merge base, or from zero where there is none.

    Attributes:
        since_base: whether there is one.
        norms: Euclidean lengths of the changes, by the heads' positions.
        agreements: of every pair of heads.
    """

    since_base: bool
    norms: dict[int, float]
    agreements: tuple[Agreement, ...]


def is_measurable(contest: Contest) -> bool:
    """Whether changes have numbers: not those of integers, nor where dtypes or shapes differ."""
    specs = {operand.spec for operand in (*contest.branches, contest.base) if operand}
    return specs == {contest.spec} and is_floating(contest.spec.dtype)


def measure_changes(contest: Contest) -> HeadChanges:
    """The changes of the heads that have the parameter, in numbers, of a contest that is measurable.

    Elements that are NaN or infinite in any version are left out. Reads all tensors once, in constant memory.
    """
    sums = sum_changes(contest)
    heads = [position for position, branch in enumerate(contest.branches) if branch]
    norms = {position: sums.products.norm(position) for position in heads}
    return HeadChanges(contest.base is not None, norms, compare_heads(sums, heads))


def compare_heads(sums: ChangeSums, heads: Sequence[int]) -> tuple[Agreement, ...]:
    """Every pair of these heads."""
    return tuple(
        Agreement(pair, sums.products.cosine(*pair), sums.contradictions[pair] / (sums.elements or 1))
        for pair in combinations(heads, 2)
    )
