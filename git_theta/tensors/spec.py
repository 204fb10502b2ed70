"""A tensor's spec: dtype and shape, and the bytes they stand for."""

from __future__ import annotations

import math
from typing import NamedTuple

from git_theta.tensors.dtypes import BY_NAME, DType


class Spec(NamedTuple):
    """dtype and shape of a tensor; shape is a tuple of non-negative ints, () for 0-d."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed, contiguous values, rounded up (``DType.count_bytes``)."""
        return self.dtype.count_bytes(self.elements)


def spec_fits(dtype: str, shape: tuple[int, ...], size: int) -> bool:
    """Whether a tensor of this dtype (by name) and shape has so many bytes. What a manifest says may be a lie (L10).

    Of a dtype that we do not know, nobody can tell: then it has.
    """
    known = BY_NAME.get(dtype)
    return known is None or Spec(known, shape).nbytes == size
