"""Singular values and vectors of matrices, and inverse square roots, found from their Gram matrices X^T X in fp64."""

from __future__ import annotations

import math
from typing import Any

from git_theta.tensors.array_library import Vector, namespace

Matrix = Any
"""A 2-D array of fp64."""


def find_spectrum(gram: Matrix, xp: Any) -> tuple[Vector, Matrix]:
    """Singular values of a matrix, largest first, and its right singular vectors as columns, from X^T X.

    What is lost among rounding errors of the largest one (about 1e-7 of it) is 0. NaN throughout where a number of
    ``gram`` is not finite.
    """
    if not bool(xp.all(xp.isfinite(gram))):
        nothing = xp.full_like(gram, math.nan)
        return nothing[0], nothing
    squares, vectors = xp.linalg.eigh(gram)
    least = len(gram) * 2.0**-52 * float(squares[-1])
    values = xp.sqrt(xp.where(squares > least, squares, xp.zeros_like(squares)))
    return xp.flip(values), xp.flip(vectors, axis=1)


def identity(side: int, like: Matrix) -> Matrix:
    """The identity matrix of so many rows, of the dtype and on the device of another matrix."""
    return namespace(like).eye(side, dtype=like.dtype, device=getattr(like, "device", None))


def inverse_or_zero(values: Vector, xp: Any) -> Vector:
    """1 / v, and 0 where v is 0."""
    zero = values == 0
    return xp.where(zero, xp.zeros_like(values), 1 / xp.where(zero, xp.ones_like(values), values))


def inverse_root(gram: Matrix, xp: Any) -> Matrix:
    """The pseudo-inverse of the square root of a symmetric matrix that has no negative eigenvalues."""
    values, vectors = find_spectrum(gram, xp)
    return (vectors * inverse_or_zero(values, xp)) @ vectors.T
