"""The rank of a change, from a sketch that is filled while the change streams by.

A matrix D of the difference is multiplied from the left by a random S of few rows, and the singular values of S D tell
those of D: a randomized range finder (Halko, Martinsson and Tropp, 2011, doi 10.1137/090771806). S is a CountSketch
(Clarkson and Woodruff, 2013, arXiv 1207.6365): row i of D goes, with a random sign, into row i mod BUCKETS of the
sketch. That costs one addition per element; a Gaussian S would cost BUCKETS of them.

What counts is singular values that rounding does not explain. Storing after = before + update in a dtype with p bits of
fraction rounds every element w by at most half a unit in its last place, ulp <= 2**-p |w|; as uniform noise that has
variance ulp**2 / 12. So the noise E has a Frobenius norm of at most e = 2**-p |after| / sqrt(12), or of step *
sqrt(elements / 12) where the numbers are so small that they lie a fixed step apart; both are added as squares. S E has
the norm e too on average, spread over all of its m rows and n columns, and so a largest singular value of about
e / sqrt(m n) * (sqrt(m) + sqrt(n)) = e (1 / sqrt(m) + 1 / sqrt(n)). Rows and columns that are larger than others have
more noise than that; _SLACK is for them. Singular values below that may be no more than e together: if they are, the
change has full rank, and only a part of it stands out.

Random weights with an update of rank 1 to 16 that is 1 % of their norm: exact in fp32, fp16 and bf16 (the tests).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from git_theta.tensors.numbers import FRACTION, SMALLEST
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = 32
"""The largest rank that is told from a full one. Adapters rarely have more than 64, mostly 4 to 32."""
BUCKETS = 67
"""Rows of the sketch: twice the limit and some; a prime, so that rows of equal place in attention heads do not meet."""
MAX_COLUMNS = 1 << 16
"""Columns above which no rank is estimated: the sketch takes 4 * BUCKETS bytes per column."""
_MIN_SIDE = 8
_SLACK = 1.5
_FP32_ROUNDING = 2.0**-18
"""Singular values below this share of the largest are the sketch's own rounding to fp32."""
_SIGN_COUNT = 1 << 12
"""Random signs that there are."""
_BLOCK_COLUMNS = 1 << 12
"""Columns of the sketch that are fp64 at a time."""


def make_sketch(spec: Spec) -> Sketch | None:
    """A sketch for the changes of a tensor: of real floats, with two dimensions or more; None for all others.

    A tensor of more dimensions counts as a matrix of its first one by all the rest.
    """
    if spec.dtype.name not in FRACTION or len(spec.shape) < 2:
        return None
    rows, columns = spec.shape[0], math.prod(spec.shape[1:])
    return Sketch(rows, columns) if min(rows, columns) >= _MIN_SIDE and columns <= MAX_COLUMNS else None


class Sketch:
    """The sketch of a matrix of ``rows`` by ``columns``, which comes as runs of its elements in row order.

    Attributes:
        limit: the largest rank that the estimate can find; half of what the shape allows, at most LIMIT.
    """

    def __init__(self, rows: int, columns: int) -> None:
        import numpy as np

        self.limit = min(LIMIT, rows // 2, columns // 2)
        self._columns = columns
        self._sums: NDArray[np.float32] = np.zeros((min(rows, BUCKETS), columns), np.float32)

    def add(self, offset: int, differences: NDArray[np.float64]) -> None:
        """Elements ``offset`` and following. What is never added counts as zeros."""
        row, column = divmod(offset, self._columns)
        at = 0
        if column:
            at = min(self._columns - column, len(differences))
            self._add_part(row, column, differences[:at])
            row += 1
        whole = (len(differences) - at) // self._columns
        if whole:
            stop = at + whole * self._columns
            self._add_rows(row, differences[at:stop].reshape(whole, self._columns))
            at = stop
        if at < len(differences):
            self._add_part(row + whole, 0, differences[at:])

    def estimate_rank(self, norm_after: float, spec: Spec) -> int | None:
        """How many singular values stand out of what rounding to the dtype explains; None above ``limit``.

        ``norm_after``: of the tensor after the change. None, too, where numbers are too large for fp32.
        """
        import numpy as np

        values = self._singular_values()
        if not np.isfinite(values).all():
            return None
        height, width = self._sums.shape
        noise = _rounding_norm(norm_after, spec)
        explained = _SLACK * noise * (1 / math.sqrt(height) + 1 / math.sqrt(width))
        beyond = values > explained + _FP32_ROUNDING * values.max()
        rank, rest = int(np.count_nonzero(beyond)), float(np.linalg.norm(values[~beyond]))
        return (
            rank if rank <= self.limit and rest <= noise + _FP32_ROUNDING * values.max() * math.sqrt(height) else None
        )

    def _add_part(self, row: int, column: int, part: NDArray[np.float64]) -> None:
        sums = self._sums[row % BUCKETS, column : column + len(part)]
        sums += _apply_signs(row, part[None])[0]

    def _add_rows(self, row: int, rows: NDArray[np.float64]) -> None:
        """Whole rows, the first one the matrix's ``row``."""
        signed = _apply_signs(row, rows)
        first = row % BUCKETS
        until = min(len(signed), BUCKETS - first)
        self._sums[first : first + until] += signed[:until]
        laps = (len(signed) - until) // BUCKETS
        if laps:
            stop = until + laps * BUCKETS
            self._sums += signed[until:stop].reshape(laps, BUCKETS, self._columns).sum(axis=0)
            until = stop
        self._sums[: len(signed) - until] += signed[until:]

    def _singular_values(self) -> NDArray[np.float64]:
        """Of the sketch, from its Gram matrix: accurate to 1e-8 of the largest, and 20 times quicker than by SVD."""
        import numpy as np

        height, width = self._sums.shape
        gram = np.zeros((height, height))
        for start in range(0, width, _BLOCK_COLUMNS):
            columns = self._sums[:, start : start + _BLOCK_COLUMNS].astype(np.float64)
            gram += columns @ columns.T
        if not np.isfinite(gram).all():
            return np.full(height, np.inf)
        values: NDArray[np.float64] = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
        return values


def _rounding_norm(norm: float, spec: Spec) -> float:
    """The Frobenius norm of what rounding to the dtype adds at most, on average."""
    relative = 2.0 ** -FRACTION[spec.dtype.name] * norm
    absolute = SMALLEST[spec.dtype.name] * math.sqrt(spec.elements)
    return math.hypot(relative, absolute) / math.sqrt(12)


def _apply_signs(row: int, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows with their signs; in blocks, for there may be more short ones than there are signs."""
    import numpy as np

    signed = rows.astype(np.float32)
    for start in range(0, len(rows), _SIGN_COUNT):
        at = (row + start) % _SIGN_COUNT
        block = signed[start : start + _SIGN_COUNT]
        block *= _signs()[at : at + len(block), None]
    return signed


@cache
def _signs() -> NDArray[np.float32]:
    """Random signs, two times the same: SplitMix64 (Steele, Lea and Flood, 2014, doi 10.1145/2660193.2660195).

    They repeat, but where they do rows go to other buckets: both come back after _SIGNS * BUCKETS rows alone.
    """
    import numpy as np

    state = np.arange(1, _SIGN_COUNT + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    signs = 1 - 2 * ((state ^ (state >> np.uint64(31))) & np.uint64(1)).astype(np.float32)
    return np.concatenate([signs, signs])
