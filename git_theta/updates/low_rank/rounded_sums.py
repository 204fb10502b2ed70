"""Results computed with more bits than a dtype has: what they round to, and how near they are to rounding otherwise.

Normative: docs/spec/objects.md, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from git_theta.tensors.casts import CASTS
from git_theta.tensors.dtypes import DType
from git_theta.tensors.rounding import round_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from git_theta.updates.delta.element_kinds import Numbers

    Floats = NDArray[Any]

DTYPES = ("F32", "F16", "BF16")
"""What is predicted so."""


def wide_dtype(dtype: DType) -> str:
    """What results are computed in, as numpy calls it: fp64 for fp32, fp32 for what has 16 bits."""
    return "<f8" if dtype.name == "F32" else "<f4"


def round_results(results: Floats, codes: Numbers, dtype: DType) -> Numbers:
    """The codes of the results; of those that are not finite the given ones, which they came from."""
    import numpy as np

    new = round_to(results, dtype)
    odd = np.flatnonzero(~np.isfinite(results))
    if len(odd):  # what a processor makes of NaN is its own choice
        new[odd] = codes[odd]
    return new


def round_to(values: Floats, dtype: DType) -> Numbers:
    """Codes, by way of fp32."""
    import numpy as np

    return round_numbers(values.astype(np.float32, copy=False), dtype)


def find_nearness(results: Floats, dtype: DType) -> Numbers:
    """A key of how far each lies from the middle between two numbers of so many bits of fraction: its logarithm.

    An integer: twice the exponent, and twice the bits that the distance has, in units of the last bit, and the bit
    after the first of these.
    """
    import numpy as np

    wide = CASTS["F64" if results.dtype.itemsize == 8 else "F32"]
    bits, below = results.view(f"<i{wide.width}"), wide.fraction - CASTS[dtype.name].fraction
    work = bits & ((1 << below) - 1)
    work -= 1 << (below - 1)
    np.abs(work, out=work)
    keys = work.astype(results.dtype).view(bits.dtype)  # as a float: the number of its bits is in the exponent
    keys >>= wide.fraction - 1
    keys -= 2 * (wide.bias - 1)
    np.maximum(keys, 0, out=keys)
    np.right_shift(bits, wide.fraction, out=work)
    work &= 2 * wide.bias + 1
    finite = work != 2 * wide.bias + 1
    work <<= 1
    keys += work
    keys *= finite
    return keys.astype(np.uint16)
