"""What rows or columns are multiplied by, and what that predicts of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.numbers import numbers_of
from git_theta.updates.delta.predictions import BasePrediction, Predicted, Prediction
from git_theta.updates.low_rank.factors import MAX_NUMBERS, matrix_shape
from git_theta.updates.low_rank.rounded_sums import find_nearness, round_results, wide_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Scales(NamedTuple):
    """What rows, or columns, are multiplied by.

    Attributes:
        numbers: fp32; as many as there are rows, or columns.
        axis: 0 for rows, which are the first dimension of a tensor; 1 for columns, which are all others.
    """

    numbers: NDArray[np.float32]
    axis: int

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether they are of that shape, and can be stored."""
        import numpy as np

        finite = bool(np.isfinite(self.numbers).all())
        return finite and is_scalable(self.axis, shape) and self.numbers.shape == (matrix_shape(shape)[self.axis],)


def is_scalable(axis: int, shape: tuple[int, ...]) -> bool:
    """Whether scales of that axis can be stored for a tensor of that shape."""
    sides = matrix_shape(shape)
    return axis in (0, 1) and sides[0] * sides[1] > 0 and sides[axis] <= MAX_NUMBERS


class ScalePrediction(Prediction):
    """Pure, so that blocks may be predicted side by side."""

    def __init__(self, scales: Scales, columns: int, base: BasePrediction) -> None:
        """``base``: of a dtype of DTYPES."""
        self.kind = base.kind
        self._base = base
        self._scales = scales
        self._columns = columns

    def predict(self, at: int, base_block: Buffer, most: int) -> Predicted:
        import numpy as np

        codes, dtype = self._base.read_numbers(base_block, most), self._base.dtype
        places = np.arange(len(codes)) + at * (BLOCK // self.kind.width)
        places = places % self._columns if self._scales.axis else places // self._columns
        with np.errstate(all="ignore"):
            wide = wide_dtype(dtype)
            products = numbers_of(codes, dtype).astype(wide, copy=False) * self._scales.numbers[places].astype(wide)
            return Predicted(round_results(products, codes, dtype), find_nearness(products, dtype))


def make_scales(numbers: Any, axis: int) -> Scales:
    """Of an array of any float dtype: each number is rounded to fp32 once."""
    import numpy as np

    return Scales(np.ascontiguousarray(numbers, "<f4").reshape(-1), axis)
