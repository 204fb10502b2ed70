"""Array libraries: what merges are computed with. numpy on a CPU, torch on CUDA; one algorithm for both.

Algorithms are written against the array API standard (https://data-apis.org/array-api), in-place operators and
``view(dtype)`` included, which both libraries have. What the standard leaves out is here: bytes, dtypes that a library
lacks, casts that agree to the last bit.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import DType
from git_theta.tensors.rounding import NAN, OVERFLOW

Vector = Any
"""A 1-D array of some library."""


class Rounded(NamedTuple):
    """Numbers as they are stored, and how many of them are not finite."""

    stored: Vector
    nonfinite: int


class ArrayLibrary(ABC):
    """One library on one device.

    Law (L9): whatever library and device, every method gives the same bits.

    *Stored* arrays have the dtype of a tensor, where the library has that; in numpy, bf16, fp8 and others are unsigned
    integers of their size.

    Attributes:
        name: numpy or torch.
        device: as torch spells it.
    """

    name: str
    device: str = "cpu"

    @property
    @abstractmethod
    def xp(self) -> Any:
        """The namespace of the array API."""

    @abstractmethod
    def dtype(self, dtype: DType) -> Any:
        """The dtype of stored arrays. Raises ThetaError where the library has none."""

    @abstractmethod
    def from_bytes(self, data: Buffer, dtype: DType) -> Vector:
        """``data``, whole elements and little-endian, as a stored array that is never to be written to.

        No copy on a CPU, but where the address is no multiple of the element's size. Raises ValueError when ``data``
        ends within an element.
        """

    @abstractmethod
    def to_bytes(self, stored: Vector) -> memoryview:
        """The bytes of a stored array, without a copy on a CPU."""

    @abstractmethod
    def widen(self, stored: Vector, number: DType) -> Vector:
        """Stored real numbers as they are computed with, on the device: F64 as fp64, all others as fp32."""

    @abstractmethod
    def share(self, value: float, number: DType) -> Vector:
        """A number that all elements share, rounded as ``widen`` has them: an array of one element.

        With a Python number, torch would divide on CUDA by multiplying with its reciprocal.
        """

    def is_vector(self, found: object) -> bool:
        """Whether it is a 1-D array of this library."""
        return type(found).__module__.partition(".")[0] == self.name and getattr(found, "ndim", 0) == 1

    @abstractmethod
    def describe_algebra(self) -> str:
        """What multiplies matrices and finds eigenvalues, with versions and threads: their last bits depend on it."""

    def quiet(self) -> AbstractContextManager[None]:
        """Within it, no warning says that arithmetic overflowed or made a NaN."""
        return nullcontext()

    def round(self, values: Vector, number: DType) -> Rounded:
        """fp32 or fp64 as stored real numbers: to nearest, ties to even; NaN becomes the one that we write.

        What is too large becomes infinite; NaN in the FNUZ kinds of fp8, and the largest number in F8_E4M3.
        """
        if lies_within(values, OVERFLOW[number.name]):
            return Rounded(self._cast(values, number), 0)
        nan = self.xp.isnan(values)
        some = self.xp.where(nan, self.share(0.0, number), values)
        stored = self._fill(self._cast(some, number), nan, NAN[number.name], number)
        return Rounded(stored, count_nonfinite(self.widen(stored, number)))

    @abstractmethod
    def _cast(self, values: Vector, number: DType) -> Vector:
        """``round`` of what has no NaN."""

    @abstractmethod
    def _fill(self, stored: Vector, chosen: Vector, code: int, number: DType) -> Vector:
        """A stored array with these bits where a boolean array says so."""


def lies_within(values: Vector, limit: float) -> bool:
    """Whether all floats are larger than ``-limit`` and smaller than ``limit``; no NaN is. One or two quick passes."""
    xp = namespace(values)
    return -limit < float(xp.min(values)) and float(xp.max(values)) < limit


def count_nonfinite(values: Vector) -> int:
    """How many floats are NaN or infinite."""
    if lies_within(values, math.inf):
        return 0
    xp = namespace(values)
    return len(values) - int(xp.count_nonzero(xp.isfinite(values)))


def namespace(array: Vector) -> Any:
    """The array API's namespace of an array's library."""
    if type(array).__module__ == "numpy":
        return numpy_namespace()
    from array_api_compat import array_namespace

    return array_namespace(array)


def to_numpy(array: Vector) -> Any:
    """The array as numpy has it, on the CPU."""
    return array if type(array).__module__ == "numpy" else array.cpu().numpy()


def zeros(count: int, like: Vector) -> Vector:
    """Zeros of the dtype, and on the device, of another array."""
    return namespace(like).zeros(count, dtype=like.dtype, device=getattr(like, "device", None))


@cache
def numpy_namespace() -> Any:
    """The namespace of numpy: itself from 2.0 on, since importing array-api-compat's takes 90 ms."""
    import numpy as np

    if hasattr(np, "unique_counts"):
        return np
    import array_api_compat.numpy

    return array_api_compat.numpy
