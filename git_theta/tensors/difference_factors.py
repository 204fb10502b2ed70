"""The difference of two matrices as a product of thin ones: a truncated singular value decomposition.

By subspace iteration from a fixed random start, which finds the leading singular vectors as a whole decomposition does
where those that follow are smaller; source: Halko, Martinsson, Tropp, "Finding Structure with Randomness" (2011), with
a few columns more than are wanted. Both matrices are read some rows at a time; what is held is O(rank (m + n)).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.numbers import codes_of, numbers_of
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]

_EXTRA_COLUMNS = 8
_ROUNDS = 4
"""Times that the subspace is multiplied with the difference and back."""
_SEED = 0


class DifferenceFactors(NamedTuple):
    """``up @ down`` is nearly the difference: fp64, of shapes [m, rank] and [rank, n]."""

    up: Matrix
    down: Matrix


def factor_difference(before: Values, after: Values, rank: int) -> DifferenceFactors:
    """The factors of rank ``rank`` whose product is nearest to ``after - before``, both of one spec [m, n], floats.

    What is not finite counts as no difference.
    """
    import numpy as np

    rows, columns = before.spec.shape
    width = min(rank + _EXTRA_COLUMNS, rows, columns)
    basis = np.random.default_rng(_SEED).standard_normal((columns, width))
    for _ in range(_ROUNDS):
        left = np.linalg.qr(_multiply(before, after, basis))[0]
        basis = np.linalg.qr(_multiply_transposed(before, after, left))[0]
    left, sizes, turned = np.linalg.svd(_multiply(before, after, basis), full_matrices=False)
    share = np.sqrt(sizes[:rank])
    return DifferenceFactors(left[:, :rank] * share, share[:, None] * (turned[:rank] @ basis.T))


def sum_squares(before: Values, after: Values) -> float:
    """The square of the norm of ``after - before``, in fp64; what is not finite counts as no difference."""
    return float(sum((rows * rows).sum() for _, rows in _difference_rows(before, after)))


def count_differing(before: Values, after: Values) -> int:
    """Elements that differ, in their bits."""
    dtype = before.spec.dtype
    pairs = zip(before.blocks(), after.blocks(), strict=True)
    return sum(int((codes_of(one, dtype) != codes_of(other, dtype)).sum()) for one, other in pairs)


def _multiply(before: Values, after: Values, basis: Matrix) -> Matrix:
    import numpy as np

    return np.concatenate([rows @ basis for _, rows in _difference_rows(before, after)])


def _multiply_transposed(before: Values, after: Values, left: Matrix) -> Matrix:
    import numpy as np

    total = np.zeros((before.spec.shape[1], left.shape[1]))
    for at, rows in _difference_rows(before, after):
        total += rows.T @ left[at : at + len(rows)]
    return total


def _difference_rows(before: Values, after: Values) -> Iterator[tuple[int, Matrix]]:
    """Number of the first row, and rows of ``after - before`` in fp64: some at a time."""
    import numpy as np

    columns = before.spec.shape[-1]
    row = Spec(before.spec.dtype, (columns,)).nbytes
    step = max(1, BLOCK // row) * row
    at = 0
    with np.errstate(all="ignore"):
        for one, other in zip(recut_blocks(before.blocks(), step), recut_blocks(after.blocks(), step), strict=True):
            difference = _read_rows(other, after.spec, columns) - _read_rows(one, before.spec, columns)
            difference[~np.isfinite(difference)] = 0
            yield at, difference
            at += len(difference)


def _read_rows(data: Buffer, spec: Spec, columns: int) -> Matrix:
    import numpy as np

    return numbers_of(codes_of(data, spec.dtype), spec.dtype).astype(np.float64).reshape(-1, columns)
