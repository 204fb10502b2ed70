"""A tensor's spec: dtype and shape, and the bytes they stand for."""

from __future__ import annotations

import math
from typing import NamedTuple

from git_theta.tensors.dtypes import DType


class Spec(NamedTuple):
    """dtype and shape of a tensor; shape is a tuple of non-negative ints, () for 0-d."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed, contiguous values; sub-byte types round up to whole bytes."""
        return (self.elements * self.dtype.bits + 7) // 8
