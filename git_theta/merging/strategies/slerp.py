"""Spherical interpolation: along the arc between two tensors, not along the chord."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from git_theta.merging.arithmetic.reductions import products
from git_theta.merging.arithmetic.small_operands import hold_small
from git_theta.merging.base import Contest, Operand, Strategy, Takes, Weights
from git_theta.merging.numerics import compute, shared_weight, weighted_sum
from git_theta.merging.options import Option
from git_theta.tensors.array_library import Vector

STRAIGHT = 0.9995
"""|cos| above which the arc is followed in a straight line: sin of the angle is too small to divide by."""


@dataclass(frozen=True)
class Slerp(Strategy):
    """sin((1 - t) a) / sin(a) * x + sin(t a) / sin(a) * y, where a is the angle between x and y."""

    array_library: Takes = "any"

    def shares(self, weights: Weights, options: Mapping[str, Any]) -> Weights:  # noqa: ARG002
        return 1 - options["t"], options["t"]

    def merge(self, contest: Contest) -> Iterator[Vector]:
        operands = [branch for branch in hold_small(contest).branches if branch]
        shares = [shared_weight(contest, share) for share in _shares(contest, operands)]
        return compute(contest, operands, ["head 1", "head 2"], lambda chunk: weighted_sum(chunk.values, shares))


def _shares(contest: Contest, operands: list[Operand]) -> tuple[float, float]:
    """What each head is multiplied by."""
    t: float = contest.options["t"]
    dots = products(contest, operands)
    length = math.sqrt(dots[0, 0]) * math.sqrt(dots[1, 1])
    if not 0 < length < math.inf:
        contest.report.notes.append(
            "A head is zero, or not finite: there is no angle. Interpolated in a straight line."
        )
        return 1 - t, t
    cosine = max(-1.0, min(1.0, dots[0, 1] / length))
    contest.report.facts["cosine"] = cosine
    if cosine < -STRAIGHT:
        contest.report.notes.append("The heads are opposite: no arc is the shortest. Interpolated in a straight line.")
    if not abs(cosine) <= STRAIGHT:
        return 1 - t, t
    angle = math.acos(cosine)
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


SLERP = Slerp(
    "slerp",
    "Spherical interpolation between two heads, each tensor as one vector.",
    "Shoemake, Animating rotation with quaternion curves (SIGGRAPH 1985)",
    options=(
        Option("t", "number", 0.5, "How far from the first head to the second.", within="[0, 1]", range=(0.1, 0.9)),
    ),
    heads=(2, 2),
    details=f"""\
The angle is that of the whole tensors, from inner products in fp64. Above |cos| = {STRAIGHT}, and where a tensor is
zero, interpolation is linear; the report says so for opposite tensors.""",
)
