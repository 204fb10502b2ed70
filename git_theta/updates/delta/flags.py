"""Flags as bits; where most bytes of them are 0, only the others, and flags for which these are, and so on.

Ordered by the prediction's exponent, changes are dense at one end and rare at the other. At the rare end a byte of
eight flags cannot take less than a bit in an entropy coder; the flags of the flags take an eighth of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.updates.delta.block_arrays import ArrayReader, ArrayWriter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

MOST_LEVELS = 3
"""Flags of flags of flags: a byte of those stands for 512 elements."""
_SHORTEST = 64
"""Bytes below which another array costs more than it saves."""


def write_flags(writer: ArrayWriter, flags: Flags) -> None:
    """A word, the number of levels; the bits of the highest one, and the bytes of those below that are not 0."""
    import numpy as np

    packed = np.packbits(flags, bitorder="little")
    below: list[NDArray[np.uint8]] = []
    while len(below) < MOST_LEVELS and len(packed) >= _SHORTEST:
        filled = packed != 0
        if 2 * np.count_nonzero(filled) > len(packed):
            break
        below.append(packed.take(np.flatnonzero(filled)))
        packed = np.packbits(filled, bitorder="little")
    writer.add_word(len(below))
    for level in (packed, *reversed(below)):
        writer.add_bytes(level)


def read_flags(reader: ArrayReader, count: int) -> Flags:
    """``count`` flags again. Raises CorruptObject."""
    import numpy as np

    levels = reader.take_word(MOST_LEVELS)
    sizes = [count]
    for _ in range(levels + 1):
        sizes.append(-(-sizes[-1] // 8))
    packed = reader.take_bytes(sizes.pop())
    while len(sizes) > 1:
        size = sizes.pop()
        filled = np.flatnonzero(_unpack(packed, size))
        packed = np.zeros(size, np.uint8)
        packed[filled] = reader.take_bytes(len(filled))
    return _unpack(packed, count)


def _unpack(packed: NDArray[np.uint8], count: int) -> Flags:
    import numpy as np

    return np.unpackbits(packed, count=count, bitorder="little").view(np.bool_)
