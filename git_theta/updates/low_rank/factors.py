"""Two thin matrices whose product is what a matrix changed by.

Normative: docs/spec/objects.md, section 3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

MAX_RANK = 256
MAX_NUMBERS = 1 << 24
"""Of both matrices together: they are held in memory."""


class Factors(NamedTuple):
    """``scale`` times the product ``left @ right``, which is added to the update base.

    Attributes:
        left: fp32, (rows, rank): an adapter's B.
        right: fp32, (rank, columns): an adapter's A. Rows are the first dimension of a tensor, columns all others.
        scale: rounded to fp32: an adapter's alpha / rank.
        rounds_product: whether the product is rounded to the tensor's dtype before it is added, as PEFT does.
    """

    left: Matrix
    right: Matrix
    scale: float = 1.0
    rounds_product: bool = False

    @property
    def rank(self) -> int:
        """Of the product, at most."""
        return len(self.right)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether they are of that shape, and can be stored: finite, and neither of too high a rank nor too many."""
        import numpy as np

        rows, columns = matrix_shape(shape)
        fitting = self.left.shape == (rows, self.rank) and self.right.shape == (self.rank, columns)
        if not fitting or not is_storable(self.rank, shape):
            return False
        with np.errstate(over="ignore"):  # a scale that is beyond fp32 is none
            return all(bool(np.isfinite(each).all()) for each in (self.left, self.right, np.float32(self.scale)))

    def balance(self) -> Factors:
        """The same product of factors whose ``right`` has rows of about the same size, by powers of two.

        What numbers lose that are far smaller than others of their row or column (``round_rows``) counts least then.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            exponents = np.frexp(np.abs(self.right).max(axis=1))[1]
            left, right = np.ldexp(self.left, exponents), np.ldexp(self.right, -exponents[:, None])
            exact = np.array_equal(np.ldexp(left, -exponents), self.left)
            exact = exact and np.array_equal(np.ldexp(right, exponents[:, None]), self.right)
        return self._replace(left=left, right=right) if exact else self


def make_factors(left: Any, right: Any, scale: float = 1.0, *, rounds_product: bool = False) -> Factors:
    """Of arrays of any float dtype: each number is rounded to fp32 once."""
    import numpy as np

    return Factors(np.ascontiguousarray(left, "<f4"), np.ascontiguousarray(right, "<f4"), scale, rounds_product)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tensor of that shape; (0, 0) where it is no matrix."""
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (0, 0)


def is_storable(rank: int, shape: tuple[int, ...]) -> bool:
    """Whether factors of that rank can be stored for a tensor of that shape."""
    rows, columns = matrix_shape(shape)
    return rows * columns > 0 and 0 < rank <= MAX_RANK and rank * (rows + columns) <= MAX_NUMBERS
