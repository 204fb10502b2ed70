"""Floats of one dtype as those of another, bit by bit: rounded once, to nearest, ties to even, in integers alone.

What a processor does with subnormal numbers and NaN is its own choice, and a prediction must be the same on all of them
(docs/spec/objects.md, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bits = NDArray[Any]


class BinaryFloat(NamedTuple):
    """A float as IEEE 754 has them: sign, exponent, fraction.

    Attributes:
        width: bytes.
        fraction: bits of the fraction.
        bias: of the exponent.
    """

    width: int
    fraction: int
    bias: int

    @property
    def infinity(self) -> int:
        """The code of infinity; magnitudes above it are NaN."""
        return (2 * self.bias + 1) << self.fraction


CASTS = {
    "F64": BinaryFloat(8, 52, 1023),
    "F32": BinaryFloat(4, 23, 127),
    "F16": BinaryFloat(2, 10, 15),
    "BF16": BinaryFloat(2, 7, 127),
}
"""The dtypes that are cast into each other."""


def cast_codes(codes: Bits, source: str, target: str) -> Bits:
    """The codes, unsigned integers, of numbers of dtype ``source`` as those of dtype ``target``; both in CASTS.

    What is too large becomes infinite. NaN stays NaN: sign and the first bits of its fraction, of which the first is 1.
    """
    import numpy as np

    old, new = CASTS[source], CASTS[target]
    magnitude = codes & codes.dtype.type((1 << (8 * old.width - 1)) - 1)
    nan = np.flatnonzero(magnitude > old.infinity)
    wide = max(old, new, CASTS["F32"])
    found = _widen(magnitude, old, wide)
    if new != wide:
        found = _narrow(found, wide, new)
    if len(nan):
        found[nan] = _keep_nan(magnitude[nan], old, new)
    sign = (codes >> (8 * old.width - 1)).astype(found.dtype)
    sign <<= 8 * new.width - 1
    found |= sign
    return found


def _widen(magnitude: Bits, old: BinaryFloat, new: BinaryFloat) -> Bits:
    """Magnitudes as those of a float with more bits in each field, or the same one: exact. NaN becomes anything."""
    import numpy as np

    wide: Bits = magnitude.astype(f"<u{new.width}")
    wide <<= new.fraction - old.fraction
    if new.bias == old.bias:
        return wide
    wide += (new.bias - old.bias) << new.fraction
    wide[magnitude == old.infinity] = new.infinity
    small = np.flatnonzero(magnitude < (1 << old.fraction))
    if len(small):  # multiples of the smallest number, which are normal numbers there
        multiples = magnitude[small].astype(f"<f{new.width}").view(wide.dtype)
        multiples[multiples > 0] -= wide.dtype.type((old.bias - 1 + old.fraction) << new.fraction)
        wide[small] = multiples
    return wide


def _narrow(magnitude: Bits, old: BinaryFloat, new: BinaryFloat) -> Bits:
    """Magnitudes as those of a float with fewer bits of fraction. NaN becomes anything."""
    import numpy as np

    unit = magnitude.dtype.type
    cut, infinite = old.fraction - new.fraction, magnitude == old.infinity
    rounded = _round_off(magnitude, unit(cut))
    if new.bias != old.bias:
        lowest = old.bias - new.bias + 1  # the exponent that becomes 1
        small = np.flatnonzero(magnitude < (lowest << old.fraction))
        rounded -= unit((lowest - 1) << new.fraction)
        rounded[small] = _round_small(magnitude[small], old, cut, lowest)
        np.minimum(rounded, unit(new.infinity), out=rounded)
    rounded[infinite] = new.infinity
    return rounded.astype(f"<u{new.width}")


def _round_small(magnitude: Bits, old: BinaryFloat, cut: int, lowest: int) -> Bits:
    """What becomes less than the smallest normal number: multiples of the smallest one."""
    import numpy as np

    unit = magnitude.dtype.type
    exponent = magnitude >> unit(old.fraction)
    significand = magnitude & unit((1 << old.fraction) - 1)
    significand |= (exponent > 0).astype(magnitude.dtype) << unit(old.fraction)
    shift = unit(cut + lowest) - np.maximum(exponent, unit(1))
    return _round_off(significand, np.minimum(shift, unit(old.fraction + 2)))


def _round_off(bits: Bits, count: Any) -> Bits:
    """Without the last ``count`` bits, at least one: half of them less one are added first, one more to an odd rest."""
    one = bits.dtype.type(1)
    rounded: Bits = bits >> count
    rounded &= one
    rounded += bits
    rounded += (one << (count - one)) - one
    rounded >>= count
    return rounded


def _keep_nan(magnitude: Bits, old: BinaryFloat, new: BinaryFloat) -> Bits:
    fraction = magnitude & magnitude.dtype.type((1 << old.fraction) - 1)
    dropped = old.fraction - new.fraction
    if dropped > 0:
        fraction >>= fraction.dtype.type(dropped)
    kept: Bits = fraction.astype(f"<u{new.width}")
    if dropped < 0:
        kept <<= kept.dtype.type(-dropped)
    kept |= kept.dtype.type(new.infinity | 1 << (new.fraction - 1))
    return kept
