"""How far the heads' changes of a contested parameter agree: lengths, cosines, and how often signs contradict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from git_theta.merging.base import Contest
from git_theta.merging.checks import is_floating
from git_theta.merging.numerics import numbers
from git_theta.tensors.inner_products import InnerProducts, Segment, subtract
from git_theta.tensors.lockstep import CHUNK, LockstepReader, recut


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
    import numpy as np

    heads = {position: branch for position, branch in enumerate(contest.branches) if branch}
    operands = [*heads.values(), *([contest.base] if contest.base else [])]
    pairs = list(combinations(range(len(heads)), 2))
    products, contradictions = InnerProducts(len(heads), pairs), dict.fromkeys(pairs, 0)
    reader = LockstepReader(contest.spec, len(operands))
    memory = [np.empty(CHUNK) for _ in heads]
    with np.errstate(all="ignore"):
        for chunks in zip(*(recut(operand.blocks(), reader.size) for operand in operands), strict=True):
            segments = reader.finite_values(reader.read_codes(chunks))
            if contest.base:
                *values, base = segments
                apart = zip(values, memory, strict=True)
                segments = [subtract(value.values, base.values, out) for value, out in apart]
            products.add(segments)
            for one, other in pairs:
                contradictions[one, other] += _contradictions(segments[one], segments[other])
    places, count = list(heads), numbers(contest) or 1
    return HeadChanges(
        contest.base is not None,
        {position: products.norm(place) for place, position in enumerate(places)},
        tuple(
            Agreement((places[one], places[other]), products.cosine(one, other), contradictions[one, other] / count)
            for one, other in pairs
        ),
    )


def agreements(contest: Contest) -> Sequence[Agreement]:
    """Every pair of heads; none where changes have no numbers, nor where there is no base to change, or no element."""
    if contest.base is None or not numbers(contest) or not is_measurable(contest):
        return ()
    return measure_changes(contest).agreements


def _contradictions(first: Segment, second: Segment) -> int:
    """How many elements of two changes have opposite signs."""
    import numpy as np

    return int(np.count_nonzero(np.sign(first.values) * np.sign(second.values) < 0))
