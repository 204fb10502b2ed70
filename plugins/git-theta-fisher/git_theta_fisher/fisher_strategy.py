"""The strategy: a mean in which each element of each head counts as much as its Fisher information says.

Source: Matena and Raffel, Merging Models with Fisher-Weighted Averaging (arXiv 2111.09832), equation 4, diagonal. The
information lies in a file beside the checkpoint, of the same names and shapes, and is read from each head's commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from git_theta.errors import ConflictError, UsageError
from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.companions import Companion
from git_theta.merging.numerics import (
    Chunk,
    companion_labels,
    compute,
    labels,
    shared_weight,
    weight,
    weighted_sum,
)
from git_theta.merging.options import Option
from git_theta.tensors.array_library import Vector

_COMPANION = "fisher"
PATTERN = "{stem}.fisher{suffix}"
"""Where the information of a checkpoint lies, from its folder."""


@dataclass(frozen=True)
class FisherMean(Strategy):
    """sum of c_i F_i x_i / sum of c_i F_i; where no head has any information, sum of c_i x_i / sum of c_i."""

    array_library: Takes = "any"
    api = 1

    def check(self, contest: Contest) -> None:
        weights = contest.weights or ()
        if any(one < 0 for one in weights) or (weights and not any(weights)):
            raise UsageError(
                f"fisher takes weights of 0 or more, and not only 0: {weights}", hint="They say how much heads count."
            )

    def merge(self, contest: Contest) -> Iterator[Vector]:
        xp, heads = contest.library.xp, contest.heads()
        weights = [weight(contest, head.weight) for head in heads]
        divisor = shared_weight(contest, sum(sorted(head.weight for head in heads)))
        zero = shared_weight(contest, 0.0)

        def formula(chunk: Chunk) -> Vector:
            values, information = chunk.values[: len(heads)], chunk.values[len(heads) :]
            if any(bool(xp.any(one < zero)) for one in information):
                raise ConflictError(
                    "its Fisher information has negative values",
                    hint="Compute it again (git theta fisher), or choose a side: ours, theirs or base.",
                    parameter=contest.name,
                )
            known = weighted_sum(information, weights)
            products = [one * other for one, other in zip(values, information, strict=True)]
            mean = weighted_sum(values, weights) / divisor
            return xp.where(known == zero, mean, weighted_sum(products, weights) / known)

        operands = [*(head.operand for head in heads), *(contest.companion(_COMPANION, head) for head in heads)]
        return compute(contest, operands, [*labels(heads), *companion_labels(heads, _COMPANION)], formula)


FISHER = FisherMean(
    "fisher",
    "The mean weighted by Fisher information: sum of c_i F_i x_i / sum of c_i F_i.",
    "Matena and Raffel, Merging Models with Fisher-Weighted Averaging (arXiv 2111.09832)",
    options=(Option("fisher", "path", "", "Where Fisher information lies, from the checkpoint's folder."),),
    takes_weights=True,
    companions=(Companion(_COMPANION, PATTERN, "The diagonal of the Fisher information of each parameter.", "fisher"),),
    details="Elements of which no head has any information are averaged.",
)
