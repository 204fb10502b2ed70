"""Bytes of any dtype as numbers, with numpy alone: importing torch would cost more than most uses of this.

What no numpy type holds goes through tables of all its values. fp8 and smaller: OCP's 8-bit and Microscaling formats
(E4M3 without infinities, E5M2 as IEEE does, E8M0 powers of two; F6 and F4 finite), the FNUZ kinds of Graphcore and AMD
(arXiv 2206.02915: one NaN, no negative zero). Packed elements start at the lowest bits of a byte, as torch packs F4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.block_values import BLOCK_DECODERS, decode_blocks
from git_theta.tensors.dtypes import BY_NAME, DType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Minifloat(NamedTuple):
    """A float of up to 16 bits: sign, exponent, fraction.

    Attributes:
        fraction: bits of the fraction.
        exponent: bits of the exponent.
        bias: what to take from the exponent.
        signed: whether there is a sign.
        special: codes of a positive sign, or of both, that are no finite number: to their value.
    """

    fraction: int
    exponent: int
    bias: int
    signed: bool = True
    special: Callable[[int], float | None] = lambda _: None

    def value(self, code: int) -> float:
        """The number that a code stands for."""
        magnitude = code & ((1 << (self.fraction + self.exponent)) - 1)
        sign = -1.0 if code != magnitude else 1.0
        special = self.special(code)
        if special is not None:
            return math.copysign(special, sign)
        exponent, fraction = magnitude >> self.fraction, magnitude & ((1 << self.fraction) - 1)
        if exponent or not self.fraction:
            fraction += 1 << self.fraction
        return sign * math.ldexp(fraction, max(exponent, 1 if self.fraction else 0) - self.bias - self.fraction)


def _ieee(code: int) -> float | None:
    if code & 0x7C != 0x7C:
        return None
    return math.nan if code & 3 else math.inf


def _nan_at(*codes: int) -> Callable[[int], float | None]:
    return lambda code: math.nan if code in codes else None


MINIFLOATS = {
    "F8_E4M3": Minifloat(3, 4, 7, special=_nan_at(0x7F, 0xFF)),
    "F8_E5M2": Minifloat(2, 5, 15, special=_ieee),
    "F8_E4M3FNUZ": Minifloat(3, 4, 8, special=_nan_at(0x80)),
    "F8_E5M2FNUZ": Minifloat(2, 5, 16, special=_nan_at(0x80)),
    "F8_E8M0": Minifloat(0, 8, 127, signed=False, special=_nan_at(0xFF)),
    "F6_E2M3": Minifloat(3, 2, 1),
    "F6_E3M2": Minifloat(2, 3, 3),
    "F4": Minifloat(1, 2, 1),
}
"""The floats that go through tables, by dtype."""

FRACTION = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7} | {name: kind.fraction for name, kind in MINIFLOATS.items()}
"""Bits of the fraction of real floats: numbers in [1, 2) are 2 ** -FRACTION apart."""

SMALLEST = {"F64": 2.0**-1074, "F32": 2.0**-149, "F16": 2.0**-24, "BF16": 2.0**-133} | {
    name: kind.value(1) for name, kind in MINIFLOATS.items()
}
"""How far numbers near zero are apart."""

_VIEWS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "C128": "<f8",
    "C64": "<f4",
    "C32": "<f2",
    "QINT8": "<i1",
    "QUINT8": "<u1",
    "QINT32": "<i4",
}
_PAIRS = "F4_E2M1X2"
_REAL = {"C128": "F64", "C64": "F32", "C32": "F16"}


def is_numeric(dtype: DType) -> bool:
    """Whether its elements are numbers: not bits without a meaning, nor quantized ones that are packed.

    Quantized elements count as the integers that they are; scales are not theirs. Of those in blocks, which have their
    scales, some dtypes are decoded (``tensors.block_values``).
    """
    if dtype.block > 1:
        return dtype.name in BLOCK_DECODERS
    return (
        dtype.name in _VIEWS or dtype.name in FRACTION or dtype.name == _PAIRS or dtype.kind in ("int", "uint", "bool")
    )


def numbers_per_code(dtype: DType) -> int:
    """Numbers that a code of ``codes_of`` stands for: those of an element, or of all elements of a block."""
    return numbers_per_element(dtype) * dtype.block


def numbers_per_element(dtype: DType) -> int:
    """Numbers that an element has: 2 where it is complex, or two packed ones that torch counts as one."""
    return 2 if dtype.kind == "complex" or dtype.name == _PAIRS else 1


def number_dtype(dtype: DType) -> DType:
    """What an element is made of: of a complex one, two numbers of this dtype."""
    return BY_NAME[_REAL.get(dtype.name, dtype.name)]


def codes_of(data: Buffer, dtype: DType) -> Array:
    """The elements as unsigned integers (n,), two of them (n, 2) for 16-byte ones: equal where their bits are.

    Of a dtype in blocks, the blocks, (n, bytes of a block).

    ``data``: whole elements or blocks, contiguous. A view of it, unless they are packed: then what fills up the last
    byte comes along as elements.
    """
    import numpy as np

    if dtype.block > 1:
        return np.frombuffer(data, np.uint8).reshape(-1, dtype.bits // 8)
    if dtype.bits < 8:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        whole = bits[: len(bits) // dtype.bits * dtype.bits].reshape(-1, dtype.bits)
        return np.packbits(whole, axis=1, bitorder="little")[:, 0]
    if dtype.bits == 128:
        return np.frombuffer(data, "<u8").reshape(-1, 2)
    return np.frombuffer(data, f"<u{dtype.bits // 8}")


def numbers_of(elements: Array, dtype: DType) -> Array:
    """The values of codes, flat, ``numbers_per_code`` to each, in a numpy type that holds them exactly.

    What is coded in blocks, and is no more exact than that, is computed in fp32 as whoever runs the model computes it.
    """
    import numpy as np

    if dtype.block > 1:
        return decode_blocks(elements, dtype.name).reshape(-1)
    if dtype.name in _VIEWS:
        found = elements.view(_VIEWS[dtype.name]).reshape(-1)
        return _widen_halves(found) if found.dtype == np.float16 else found
    if dtype.name == "BF16":
        bits = elements.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    if dtype.name == _PAIRS:
        return np.take(_table("F4"), np.stack((elements & 15, elements >> 4), axis=1).reshape(-1))
    if dtype.name in MINIFLOATS:
        return np.take(_table(dtype.name), elements)
    if dtype.kind == "bool":
        return np.not_equal(elements, 0)
    return elements.view(f"<i{dtype.bits // 8}") if dtype.kind == "int" else elements


def distances(before: Array, after: Array) -> NDArray[np.float64]:
    """How far 64-bit integers are apart: the exact integer, rounded once (converted first, each would be rounded)."""
    import numpy as np

    low, high = np.minimum(before, after), np.maximum(before, after)
    apart: NDArray[np.float64] = np.subtract(high.view("<u8"), low.view("<u8")).astype(np.float64)
    return apart


def _widen_halves(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """fp16 as fp32, by integer operations: numpy's own cast takes seven times as long.

    Exponent and fraction, moved to where fp32 has them, are the number times 2 ** -112.
    """
    import numpy as np

    if _scale(np.ones(1, np.int32)) == 0:  # somebody has this thread take subnormal numbers for 0
        return halves.astype(np.float32)
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= -0x70002000  # one sign, of those that widening made
    values = _scale(bits)
    codes = halves.view(np.uint16) & 0x7FFF
    if codes.max(initial=0) >= 0x7C00:
        values[codes >= 0x7C00] = halves[codes >= 0x7C00]
    return values


def _scale(bits: NDArray[np.int32]) -> NDArray[np.float32]:
    """What the bits stand for times 2 ** 112; in place."""
    import numpy as np

    values: NDArray[np.float32] = bits.view(np.float32)
    values *= np.float32(2.0**112)
    return values


@cache
def _table(name: str) -> NDArray[np.float32]:
    import numpy as np

    kind = MINIFLOATS[name]
    codes = range(1 << (kind.signed + kind.exponent + kind.fraction))
    return np.array([kind.value(code) for code in codes], np.float32)
