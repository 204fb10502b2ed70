"""Thin factors of a change that is known only as far as rounding lets it: weighted least squares, one side at a time.

All in fp64 on one thread: what comes out is rounded to so few bits that processors agree on it. Nothing depends on
that: whatever factors are stored, the values are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Floats = NDArray[Any]

_FEWEST_EACH = 16
"""Numbers of a row for each that is fitted to them: the fit's variance is that of noise, divided by this."""
_WORK = 1 << 18
"""Products of factors that a row is fitted by, where it is long enough."""
_HELD = 1 << 19
"""Numbers of normal equations that are held at a time: 4 MiB."""
_RIDGE = 1e-9
"""Of the diagonal: where directions are dependent, there is still one solution."""
_OVERSAMPLED = 8
"""Directions that are looked for beyond those that are wanted (Halko, Martinsson and Tropp, arXiv 0909.4061)."""
_KEY = 0x7468657461
"""Of the signs that are drawn: the same ones always."""


def fit_left(numbers: Floats, weights: Floats, right: Doubles) -> Doubles:
    """The left factor (rows, rank) for a right one (rank, columns): row by row what is nearest to weighted numbers.

    Of long rows, as many numbers as a row needs, from all over.
    """
    import numpy as np

    rank, columns = right.shape
    count, thin = count_used(rank, columns), right.T
    if count < columns:
        used = np.arange(count) * columns // count
        numbers, weights, thin = numbers[:, used], weights[:, used], thin[used]
    one, other = np.triu_indices(rank)
    squares, fitted = thin[:, one], np.empty((len(numbers), rank))
    squares *= thin[:, other]
    step = max(1, _HELD // rank**2)
    for start in range(0, len(numbers), step):
        heavy = weights[start : start + step].astype(np.float64, copy=False)
        normal = np.empty((len(heavy), rank, rank))
        normal[:, one, other] = normal[:, other, one] = heavy @ squares
        normal[:, range(rank), range(rank)] *= 1 + _RIDGE
        normal[~normal.any(axis=(1, 2))] = np.eye(rank)
        sums = (heavy * numbers[start : start + step]) @ thin
        fitted[start : start + step] = np.linalg.solve(normal, sums[:, :, None])[:, :, 0]
    return fitted


def count_used(rank: int, columns: int) -> int:
    """How many numbers of a row its fit takes."""
    return min(columns, max(_FEWEST_EACH * rank, _WORK // rank**2))


def find_directions(numbers: Floats, rank: int) -> tuple[Doubles, Doubles]:
    """The strongest directions among rows, orthonormal (directions, columns), and their singular values.

    Those of about that rank, and some more; by random signs.
    """
    import numpy as np

    count = min(rank + rank // 4 + _OVERSAMPLED, *numbers.shape)
    bits = np.random.Philox(key=_KEY).random_raw(-(-count * len(numbers) // 64)).astype("<u8").view("u1")
    signs = np.unpackbits(bits, count=count * len(numbers)).reshape(count, -1) * 2.0 - 1
    basis = np.linalg.qr((signs @ numbers).T)[0]
    for _ in range(2):
        basis = np.linalg.qr(numbers.T @ (numbers @ basis))[0]
    _, values, turned = np.linalg.svd(numbers @ basis, full_matrices=False)
    return turned @ basis.T, values
