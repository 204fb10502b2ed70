"""The strategy: each linear layer becomes the one whose outputs are nearest to those of all heads, on their own inputs.

Source: Jin, Ren, Preotiuc-Pietro and Cheng, Dataless Knowledge Fusion by Merging Weights of Language Models
(arXiv 2212.09849), equation 2 and section 3.2. The Gram matrices of the inputs, X^T X / n, lie in a file beside the
checkpoint, under the names of the weights, and are read from each head's commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from git_theta.errors import ConflictError, UsageError
from git_theta.merging.arithmetic.matrices import MAX_SIDE, TaskMatrices, add_transformed, matrix_sides, require_side
from git_theta.merging.arithmetic.spectra import Matrix, identity
from git_theta.merging.base import Contest, ContestHead, Strategy, Takes
from git_theta.merging.companions import Companion
from git_theta.merging.numerics import stream
from git_theta.merging.options import Option
from git_theta.merging.strategies.means import WEIGHTED
from git_theta.tensors.array_library import Vector

_COMPANION = "gram"
PATTERN = "{stem}.gram{suffix}"
"""Where the Gram matrices of a checkpoint lie, from its folder."""


@dataclass(frozen=True)
class RegressionMean(Strategy):
    """(sum of c_i W_i G_i) (sum of c_i G_i)^-1; what has no Gram matrix becomes sum of c_i x_i / sum of c_i."""

    array_library: Takes = "any"
    exact: bool = False
    api = 1

    def check(self, contest: Contest) -> None:
        weights = contest.weights or ()
        if any(one < 0 for one in weights) or (weights and not any(weights)):
            raise UsageError(
                f"regmean takes weights of 0 or more, and not only 0: {weights}", hint="They say how much heads count."
            )
        sides = matrix_sides(contest)
        if sides and contest.has_companion(_COMPANION):
            require_side(self.name, sides[1], contest)

    def merge(self, contest: Contest) -> Iterator[Vector]:
        if not matrix_sides(contest) or not contest.has_companion(_COMPANION):
            return WEIGHTED.merge(contest)
        matrices = TaskMatrices(contest, turned=False, since_base=False)
        with contest.library.quiet():
            grams = [_read_gram(contest, head, matrices.side) for head in contest.heads()]
            transforms = find_regression(grams, [head.weight for head in contest.heads()], contest.options, matrices.xp)
        return add_transformed(contest, matrices, transforms)


def find_regression(
    grams: Sequence[Matrix], weights: Sequence[float], options: Mapping[str, Any], xp: Any
) -> list[Matrix]:
    """A_i = c_i G_i (sum of c_i G_i)^-1, with all but the diagonals of the G_i multiplied by alpha.

    For an input that no head has seen it makes the mean of the heads.

    Args:
        grams: G_i of each head, (inputs, inputs), symmetric, fp64.
        weights: c_i of each head, 0 or more, and not only 0.
        options: of the strategy: ``alpha``.
        xp: the namespace of the library that computes.

    Returns:
        A_i of each head, (inputs, inputs), fp64, in the order of ``grams``.
    """
    share = sum(weights)
    shrunk = [weight * _shrink(gram, options["alpha"], xp) for gram, weight in zip(grams, weights, strict=True)]
    total = sum(shrunk[1:], shrunk[0])
    unseen = identity(len(total), total) * xp.astype(xp.linalg.diagonal(total) == 0, total.dtype)
    # Symmetric: the solution of A (sum) = G is the transpose of that of (sum) A^T = G.
    return [
        xp.linalg.solve(total + unseen, gram + unseen * (weight / share)).T
        for gram, weight in zip(shrunk, weights, strict=True)
    ]


def _shrink(gram: Matrix, alpha: float, xp: Any) -> Matrix:
    """G with what is off its diagonal multiplied by alpha."""
    diagonal = identity(len(gram), gram) * xp.linalg.diagonal(gram)
    return gram * alpha + diagonal * (1 - alpha)


def _read_gram(contest: Contest, head: ContestHead, side: int) -> Matrix:
    """The Gram matrix of a head, in fp64. Raises ConflictError for what is none."""
    xp = contest.library.xp
    whole = replace(contest, chunk=side * side)
    (chunk,) = stream(whole, [contest.companion(_COMPANION, head)])
    gram = xp.reshape(xp.astype(chunk.values[0], xp.float64), (side, side))
    fault = _find_fault(gram, xp)
    if fault:
        raise ConflictError(
            f"its Gram matrix of head {head.position + 1} {fault}",
            hint="Compute it again (git theta gram), or choose a side: ours, theirs or base.",
            parameter=contest.name,
        )
    return (gram + gram.T) / 2


def _find_fault(gram: Matrix, xp: Any) -> str:
    """Why it is no Gram matrix; "" for one."""
    if not bool(xp.all(xp.isfinite(gram))):
        return "has NaN or infinite numbers"
    diagonal = xp.linalg.diagonal(gram)
    if bool(xp.any(diagonal < 0)):
        return "has negative numbers on its diagonal"
    apart = float(xp.max(xp.abs(gram - gram.T)))
    return "is not symmetric" if apart > 1e-3 * float(xp.max(diagonal)) else ""


REGMEAN = RegressionMean(
    "regmean",
    "The linear layer whose outputs are nearest to those of all heads: (sum of c_i W_i G_i) (sum of c_i G_i)^-1.",
    "Jin et al., Dataless Knowledge Fusion by Merging Weights of Language Models (arXiv 2212.09849)",
    options=(
        Option(
            "alpha",
            "number",
            0.9,
            "What the G_i have off their diagonals is scaled by.",
            within="[0, 0.9999]",
            range=(0.0, 0.99),
        ),
        Option("gram", "path", "", "Where Gram matrices lie, from the checkpoint's folder."),
        MAX_SIDE,
    ),
    takes_weights=True,
    companions=(
        Companion(_COMPANION, PATTERN, "X^T X / n of the inputs of linear layers, by weight.", "gram", holds="columns"),
    ),
    details="""\
What has no Gram matrix at any head (biases, norms, embeddings) is averaged, and so is what belongs to an input that no
head has seen. alpha below 1 keeps the sum of the G_i invertible, and its error small, where data are few.""",
)
