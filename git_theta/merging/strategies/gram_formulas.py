"""What the matrices of task vectors, X_1 to X_N, are multiplied with to add up to a merge: found from X_i^T X_i."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from git_theta.merging.arithmetic.matrices import TaskMatrices
from git_theta.merging.arithmetic.spectra import Matrix, find_spectrum, identity, inverse_or_zero, inverse_root
from git_theta.merging.numerics import weighted_sum

Options = Mapping[str, Any]
FindTransforms = Callable[[TaskMatrices, Sequence[float], Options], Sequence[Matrix]]
"""Task matrices, the weights of their heads, options; A_i for each head."""


def find_isotropic(matrices: TaskMatrices, weights: Sequence[float], options: Options) -> Sequence[Matrix]:  # noqa: ARG001
    """A_i = w_i sigma (M^T M)^-1/2, M the sum of w_i X_i and sigma the mean of its singular values."""
    xp = matrices.xp
    (gram,) = matrices.sum_over_blocks(lambda block: [_square(weighted_sum(block, weights))])
    values, vectors = find_spectrum(gram, xp)
    even = xp.mean(values) * inverse_or_zero(values, xp)
    root = (vectors * even) @ vectors.T
    return [by * root for by in weights]


def find_singular(matrices: TaskMatrices, weights: Sequence[float], options: Options) -> Sequence[Matrix]:  # noqa: ARG001
    """A_i = V_i S_i^-1 P_i S V~^T: the leading triples of each X_i, their vectors made orthonormal over all heads.

    V~ = V (V^T V)^-1/2 of all V_i side by side, and so for W_i = X_i V_i S_i^-1 with P = (W^T W)^-1/2.
    """
    xp = matrices.xp
    rank = max(1, matrices.side // matrices.count)
    spectra = [find_spectrum(gram, xp) for gram in matrices.grams()]
    singular = xp.concat([values[:rank] for values, _ in spectra])
    right = xp.concat([vectors[:, :rank] for _, vectors in spectra], axis=1)
    scaled = [vectors[:, :rank] * inverse_or_zero(values[:rank], xp) for values, vectors in spectra]

    def left_gram(block: list[Matrix]) -> list[Matrix]:
        return [_square(xp.concat([one @ by for one, by in zip(block, scaled, strict=True)], axis=1))]

    (gram,) = matrices.sum_over_blocks(left_gram)
    mixed = (inverse_root(gram, xp) * singular) @ (right @ inverse_root(_square(right), xp)).T
    return [by @ mixed[at * rank : (at + 1) * rank] for at, by in enumerate(scaled)]


def find_least_squares(matrices: TaskMatrices, weights: Sequence[float], options: Options) -> Sequence[Matrix]:
    """A_i = (G_i + r I) (sum of G_i + r I)^-1, G_i = X_i^T X_i / |X_i|^2, r = rho times their sum's mean diagonal."""
    xp = matrices.xp
    grams = [gram / _positive(xp.linalg.trace(gram)) for gram in matrices.grams()]
    total = sum(grams[1:], grams[0])
    # Where all X_i are zeros (-0 against 0), or too small for squares, any ridge does, and A_i is the identity.
    ridge = identity(matrices.side, total) * (options["rho"] * _positive(xp.linalg.trace(total)) / matrices.side)
    if not bool(xp.all(xp.isfinite(total))):
        return [xp.full_like(gram, float("nan")) for gram in grams]
    return [by * xp.linalg.solve(total + ridge, gram + ridge).T for by, gram in zip(weights, grams, strict=True)]


def _square(matrix: Matrix) -> Matrix:
    return matrix.T @ matrix


def _positive(number: Any) -> Any:
    """The number, but 1 for the 0 of a head that is as the base: its matrix is all zeros."""
    return number + (number == 0)
