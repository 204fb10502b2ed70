"""fp32 and fp64 to the dtypes of checkpoints, with numpy alone: rounded once, to nearest, ties to even.

The bits are those of torch's casts, but for NaN: which one arithmetic gives is the processor's choice, so that we write
one of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.dtypes import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[Any]

NAN = {
    "F64": 0x7FF8 << 48,
    "F32": 0x7FC00000,
    "F16": 0x7E00,
    "BF16": 0x7FC0,
    "F8_E4M3": 0x7F,
    "F8_E5M2": 0x7F,
    "F8_E4M3FNUZ": 0x80,
    "F8_E5M2FNUZ": 0x80,
}
"""The code of the NaN that we write."""

OVERFLOW = {
    "F64": float("inf"),
    "F32": float("inf"),
    "F16": 65520.0,
    "BF16": 2.0**128 - 2.0**119,
    "F8_E4M3": 464.0,
    "F8_E5M2": 61440.0,
    "F8_E4M3FNUZ": 248.0,
    "F8_E5M2FNUZ": 61440.0,
}
"""The magnitude from which numbers may be too large; all below round to finite ones."""
LARGEST_E4M3 = 448.0
"""What stands for all that is too large in F8_E4M3, infinity as well. Releases of torch differ here; this is 2.13."""


class _Narrow(NamedTuple):
    """A float of at most 16 bits.

    Attributes:
        fraction: bits of its fraction.
        bias: of its exponent.
        overflow: the code of what is too large.
        unsigned: whether that has no sign, nor has 0.
    """

    fraction: int
    bias: int
    overflow: int
    unsigned: bool = False


_NARROW = {
    "F16": _Narrow(10, 15, 0x7C00),
    "F8_E4M3": _Narrow(3, 7, 0x7E),
    "F8_E5M2": _Narrow(2, 15, 0x7C),
    "F8_E4M3FNUZ": _Narrow(3, 8, 0x80, unsigned=True),
    "F8_E5M2FNUZ": _Narrow(2, 16, 0x80, unsigned=True),
}


def round_numbers(values: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """The codes (``tensors.numbers``) of fp32 values, or of fp64 ones for F64, none of which is NaN.

    ``dtype``: one of OVERFLOW. Of F64 and F32 a view. What is too large becomes infinite; NaN in the FNUZ kinds, and
    the largest number in F8_E4M3.
    """
    import numpy as np

    if dtype.name in ("F64", "F32"):
        return values.view(f"u{dtype.bits // 8}")
    bits: Codes = values.view(np.uint32)
    if dtype.name == "BF16":
        return _cut(bits, 16).astype(np.uint16)
    return _narrow(bits, _NARROW[dtype.name], f"u{dtype.bits // 8}")


def _cut(bits: Codes, count: int) -> Codes:
    """Without the last ``count`` bits: half of them less one are added before, and one more where ties go up."""
    rounded = bits >> count
    rounded &= 1
    rounded += bits
    rounded += (1 << count - 1) - 1
    rounded >>= count
    return rounded


def _narrow(bits: Codes, kind: _Narrow, code: str) -> Codes:
    """The codes of floats, by their bits; ``code``: the dtype of codes."""
    import numpy as np

    magnitude = bits & 0x7FFFFFFF
    rounded = _cut(magnitude, 23 - kind.fraction)
    rounded -= np.uint32((127 - kind.bias) << kind.fraction)
    rounded = _with_subnormal(rounded, magnitude, kind)
    if rounded.max(initial=0) > kind.overflow:
        np.minimum(rounded, kind.overflow, out=rounded)
    narrow = rounded.astype(code)
    sign = (bits >> (32 - 8 * narrow.itemsize)).astype(code)
    sign &= 1 << 8 * narrow.itemsize - 1
    if kind.unsigned:
        sign[(narrow == 0) | (narrow == kind.overflow)] = 0
    narrow |= sign
    return narrow


def _with_subnormal(rounded: Codes, magnitude: Codes, kind: _Narrow) -> Codes:
    """The codes where those of normal numbers are right, others where magnitudes are below the smallest normal one."""
    import numpy as np

    normal = (128 - kind.bias) << 23
    small = magnitude < normal
    count = np.count_nonzero(small)
    if 8 * count > len(small):  # no np.where: where about half is chosen it takes ten times as long
        differing = rounded ^ _subnormal(magnitude, kind)
        differing &= ((magnitude.view(np.int32) - normal) >> 31).view(np.uint32)
        rounded ^= differing
    elif count:  # a few, as in weights of fp16: to pick them out costs less than to compute all
        at = np.flatnonzero(small)
        rounded[at] = _subnormal(magnitude[at], kind)
    return rounded


def _subnormal(magnitude: Codes, kind: _Narrow) -> Codes:
    """The codes of what lies below the smallest normal number: multiples of the smallest number.

    Added to a float whose last bit counts these, it is rounded to them.
    """
    import numpy as np

    counter = np.float32(2.0 ** (24 - kind.bias - kind.fraction))
    return (magnitude.view(np.float32) + counter).view(np.uint32) - counter.view(np.uint32)
