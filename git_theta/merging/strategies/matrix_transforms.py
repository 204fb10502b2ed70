"""The family of matrix transforms: one algorithm, and what its members declare.

Of a matrix,      result = base + lambda * sum of tau_i A_i            A_i from Gram matrices of the tau_i, in fp64
of anything else, result = base + lambda * mean of the tau_i

Where a member does not care which side is which, and a matrix has fewer rows than columns, it is turned first: Gram
matrices are of the smaller side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from git_theta.merging.arithmetic.matrices import (
    MAX_SIDE,
    Sides,
    TaskMatrices,
    add_transformed,
    matrix_sides,
    require_side,
)
from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.options import Option
from git_theta.merging.strategies.gram_formulas import (
    FindTransforms,
    find_isotropic,
    find_least_squares,
    find_singular,
)
from git_theta.merging.strategies.task_vectors import LAMBDA, TaskVectorStrategy
from git_theta.tensors.array_library import Vector


@dataclass(frozen=True)
class MatrixTransform(TaskVectorStrategy):
    """A member of the family.

    Attributes:
        find: the A_i of a matrix.
        either_side: whether the transposed matrices give the transposed result.
    """

    array_library: Takes = "any"
    exact: bool = False
    find: FindTransforms = find_isotropic
    either_side: bool = True

    def check(self, contest: Contest) -> None:
        super().check(_with_mean(contest))
        if sides := matrix_sides(contest):
            require_side(self.name, self._side(sides), contest)

    prepare = Strategy.prepare  # each matrix by itself, so that results are remembered one by one

    def merge(self, contest: Contest) -> Iterator[Vector]:
        sides = matrix_sides(contest)
        if not sides:
            return super().merge(_with_mean(contest))
        matrices = TaskMatrices(contest, turned=self.either_side and sides[0] < sides[1])
        with contest.library.quiet():
            transforms = self.find(matrices, [head.weight for head in contest.heads()], contest.options)
        return add_transformed(contest, matrices, transforms, contest.options["lambda"])

    def _side(self, sides: Sides) -> int:
        return min(sides) if self.either_side else sides[1]


def _with_mean(contest: Contest) -> Contest:
    """What is merged as task arithmetic merges it, by the mean."""
    return replace(contest, options={**contest.options, "normalize": True})


_INEXACT = """\
Every tensor of two dimensions or more is a matrix of its first one by all others; embeddings are, too. What is none
(vectors, single rows and columns, complex numbers) becomes base + lambda * mean of the tau_i."""
_SMALLER_SIDE = f"""\
{_INEXACT}

A matrix of m by n takes as many numbers of fp64 as a few squares of the smaller side have; one with fewer rows than
columns is held in memory, with those of all heads."""

ISO_C = MatrixTransform(
    "iso-c",
    "base + lambda * the sum of the w_i tau_i with all its singular values made equal to their mean.",
    "Marczak et al., No task left behind (arXiv 2502.04959)",
    options=(LAMBDA, MAX_SIDE),
    needs_base=True,
    takes_weights=True,
    details=f"""\
M = sum of w_i tau_i = U S V^T becomes mean(S) U V^T. Directions that M does not have (singular values below about 1e-7
of the largest) stay 0. The best lambda differs much between models: try a few.

{_SMALLER_SIDE}""",
    find=find_isotropic,
)
TSV_M = MatrixTransform(
    "tsv-m",
    "base + lambda * the leading singular triples of all tau_i, with their vectors made orthonormal to each other.",
    "Gargiulo et al., Task singular vectors (arXiv 2412.00081)",
    options=(LAMBDA, MAX_SIDE),
    needs_base=True,
    details=f"""\
Of N heads, each gives its floor(min(m, n) / N) leading triples. Their left vectors side by side are replaced by the
nearest matrix with orthonormal columns (the polar factor), and so are the right ones.

{_SMALLER_SIDE}""",
    find=find_singular,
)
WUDI = MatrixTransform(
    "wudi",
    "base + lambda * the change that is nearest to each tau_i in the directions that tau_i has: least squares.",
    "Cheng et al., Whoever started the interference should end it (arXiv 2503.08099)",
    options=(
        LAMBDA,
        Option(
            "rho",
            "number",
            0.01,
            "The ridge, relative to the mean diagonal of the sum of G_i.",
            within="(0, 1]",
            range=(0.001, 1.0),
            scale="log",
        ),
        MAX_SIDE,
    ),
    needs_base=True,
    details=f"""\
With G_i = tau_i^T tau_i / |tau_i|^2, d the mean diagonal of their sum and M the sum of tau_i, the change is
(sum of tau_i G_i + rho d M) (sum of G_i + rho d I)^-1: the closed form of what the paper finds by steps of Adam.

{_INEXACT}

A matrix with n columns takes about (2 N + 3) n^2 numbers of fp64.""",
    find=find_least_squares,
    either_side=False,
)
