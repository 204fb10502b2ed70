"""Sums of products of thin matrices, factored again at a lower rank: the same bits on every machine (L9).

Only elementwise arithmetic in fp64, each operation rounded by itself, sums by halves: what LAPACK and BLAS find depends
on the processor and the number of threads. The products themselves are never formed: with R columns in all, it takes
O(R^2 (m + n)) operations and O(R (m + n)) memory. Matrices are arrays whose rows are vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]

_TOLERANCE = 1e-15
_DEPENDENT = 1e-13
"""What is left of a vector whose direction was there already, relative to its length."""
_SWEEPS = 60
"""Jacobi's method converges quadratically: ten are many."""


class LowRank(NamedTuple):
    """A product ``left.T @ right`` of rank r.

    Attributes:
        left: r vectors of m: left singular vectors times singular values.
        right: r vectors of n: right singular vectors, orthonormal; of each the largest magnitude is positive.
        kept: the norm of the product relative to what it stands for.
    """

    left: Matrix
    right: Matrix
    kept: float


def factor_product(lefts: Matrix, rights: Matrix, rank: int) -> LowRank:
    """The best approximation of ``lefts.T @ rights`` of a rank, in fp64.

    Args:
        lefts: R vectors of m.
        rights: R vectors of n.
        rank: how many are to come out; what there is not is zeros.
    """
    import numpy as np

    with np.errstate(all="ignore"):
        basis_left, coordinates_left = _orthonormalise(lefts)
        basis_right, coordinates_right = _orthonormalise(rights)
        # lefts.T @ rights == basis_left.T @ core @ basis_right, and core is R by R.
        core = _multiply(coordinates_left, coordinates_right.T)
        rotated, turned = _rotate_to_orthogonal(core.T)
        squares = _sum_rows(rotated * rotated)
        order = np.argsort(-squares, kind="stable")[:rank]
        left = _multiply(rotated[order], basis_left)
        right = _multiply(turned[order], basis_right)
        right[squares[order] == 0] = 0
        signs = np.where(np.take_along_axis(right, np.argmax(np.abs(right), axis=1)[:, None], axis=1) < 0, -1.0, 1.0)
        total = float(_sum_rows(squares[None])[0])
        kept = float(np.sqrt(_sum_rows(squares[order][None])[0] / total)) if total else 1.0
        return LowRank(_pad(left * signs, rank), _pad(right * signs, rank), kept)


def _orthonormalise(vectors: Matrix) -> tuple[Matrix, Matrix]:
    """Orthonormal rows, and coordinates C with ``vectors == C.T @ rows``: Gram and Schmidt, twice over each vector."""
    import numpy as np

    count = len(vectors)
    rows, coordinates = np.zeros_like(vectors), np.zeros((count, count))
    for at, vector in enumerate(vectors):
        rest, length = vector, _norm(vector)
        for _ in range(2 if at else 0):
            shares = _sum_rows(rows[:at] * rest)
            coordinates[:at, at] += shares
            rest = rest - _sum_rows((rows[:at] * shares[:, None]).T)
        left = _norm(rest)
        if left > _DEPENDENT * length or not np.isfinite(left):
            coordinates[at, at], rows[at] = left, rest / left
    return rows, coordinates


def _rotate_to_orthogonal(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Rows turned until they are orthogonal (Hestenes' one-sided Jacobi), and the rotation; pairs by a round robin."""
    import numpy as np

    count = len(rows) + len(rows) % 2
    turned = np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]))])
    rotation = np.eye(count)[:, : len(rows)]
    circle = list(range(count))
    for _ in range(_SWEEPS):
        quiet = True
        for _ in range(count - 1):
            half = count // 2
            one, other = np.array(circle[:half]), np.array(circle[half:][::-1])
            circle = [circle[0], circle[-1], *circle[1:-1]]
            quiet = _rotate_pairs(turned, rotation, one, other) and quiet
        if quiet:
            break
    return turned, rotation


def _rotate_pairs(turned: Matrix, rotation: Matrix, one: Matrix, other: Matrix) -> bool:
    """Make pairs of rows orthogonal, in place; whether all were already."""
    import numpy as np

    first, second = turned[one], turned[other]
    alpha, beta, gamma = _sum_rows(first * first), _sum_rows(second * second), _sum_rows(first * second)
    askew = np.abs(gamma) > _TOLERANCE * np.sqrt(alpha * beta)
    if not askew.any():
        return True
    zeta = (beta - alpha) / (2 * np.where(askew, gamma, 1.0))
    tangent = np.where(zeta < 0, -1.0, 1.0) / (np.abs(zeta) + np.sqrt(1 + zeta * zeta))
    cosine = np.where(askew, 1 / np.sqrt(1 + tangent * tangent), 1.0)[:, None]
    sine = np.where(askew[:, None], cosine * tangent[:, None], 0.0)
    for matrix in (turned, rotation):
        first, second = matrix[one], matrix[other]
        matrix[one], matrix[other] = cosine * first - sine * second, sine * first + cosine * second
    return False


def _multiply(coordinates: Matrix, rows: Matrix) -> Matrix:
    """``coordinates @ rows``, term after term."""
    import numpy as np

    total = np.zeros((len(coordinates), rows.shape[1]))
    for at in range(len(rows)):
        total = total + coordinates[:, at : at + 1] * rows[at]
    return total


def _norm(vector: Matrix) -> float:
    import numpy as np

    return float(np.sqrt(_sum_rows((vector * vector)[None])[0]))


def _sum_rows(terms: Matrix) -> Matrix:
    """The sum of each row, by halves: the order of additions is fixed."""
    import numpy as np

    while terms.shape[1] > 1:
        if terms.shape[1] % 2:
            terms = np.concatenate([terms, np.zeros((len(terms), 1))], axis=1)
        half = terms.shape[1] // 2
        terms = terms[:, :half] + terms[:, half:]
    return terms[:, 0] if terms.shape[1] else np.zeros(len(terms))


def _pad(rows: Matrix, count: int) -> Matrix:
    import numpy as np

    return np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]))]) if len(rows) < count else rows
