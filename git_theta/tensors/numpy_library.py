"""numpy to compute with: on a CPU, and without torch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from git_theta.tensors import numbers
from git_theta.tensors.array_library import ArrayLibrary, numpy_namespace
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.blas import count_threads
from git_theta.tensors.dtypes import DType
from git_theta.tensors.rounding import round_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_NATIVE = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "C128": "<c16",
    "C64": "<c8",
    "BOOL": "?",
    **{f"{sign}{bits}": f"<{sign.lower()}{bits // 8}" for sign in "IU" for bits in (8, 16, 32, 64)},
}
"""What numpy has; all else is unsigned integers of the element's size, bytes where elements are smaller."""


class NumpyLibrary(ArrayLibrary):
    """numpy's arrays."""

    name = "numpy"

    @property
    def xp(self) -> Any:
        return numpy_namespace()

    def dtype(self, dtype: DType) -> Any:
        import numpy as np

        return np.dtype(_NATIVE.get(dtype.name, f"<u{max(8, dtype.bits) // 8}"))

    def from_bytes(self, data: Buffer, dtype: DType) -> Array:
        import numpy as np

        kind = self.dtype(dtype)
        if len(data) % kind.itemsize:
            raise ValueError(f"{len(data)} bytes are no whole number of {dtype.name}")
        array = np.frombuffer(data, kind)
        return array if array.flags.aligned else array.copy()

    def to_bytes(self, stored: Array) -> memoryview:
        import numpy as np

        return np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data

    def widen(self, stored: Array, number: DType) -> Array:
        return numbers.numbers_of(stored.view(f"<u{number.bits // 8}"), number)

    def share(self, value: float, number: DType) -> Array:
        import numpy as np

        with self.quiet():
            return np.array([value], np.float64 if number.name == "F64" else np.float32)

    def describe_algebra(self) -> str:
        import numpy as np

        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        threads = count_threads()
        return f"numpy {np.__version__}, {blas['name']} {blas['version']}{f', threads {threads}' if threads else ''}"

    def quiet(self) -> AbstractContextManager[None]:
        import numpy as np

        return np.errstate(all="ignore")

    def _cast(self, values: Array, number: DType) -> Array:
        return round_numbers(values, number).view(self.dtype(number))

    def _fill(self, stored: Array, chosen: Array, code: int, number: DType) -> Array:
        import numpy as np

        filled = stored.copy()
        filled.view(f"<u{number.bits // 8}")[chosen] = np.uint64(code)
        return filled


NUMPY = NumpyLibrary()
