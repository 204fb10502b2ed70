"""Differences in order, as bytes of equal significance, or as what most of them are: none, one up, one down, more.

In both forms a number of planes, a word, comes first where planes come: bytes that are 0 in all numbers are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git_theta.updates.delta.block_arrays import ArrayReader, ArrayWriter
from git_theta.updates.delta.element_kinds import ElementKind
from git_theta.updates.delta.flags import read_flags, write_flags

if TYPE_CHECKING:
    from git_theta.updates.delta.element_kinds import Numbers, Places


def write_planes(writer: ArrayWriter, numbers: Numbers) -> None:
    """Numbers, byte by byte from the least significant."""
    import numpy as np

    planes = (int(numbers.max(initial=0)).bit_length() + 7) // 8
    writer.add_word(planes)
    for significance in range(planes):
        plane = np.empty(len(numbers), np.uint8)
        np.right_shift(numbers, 8 * significance, out=plane, casting="unsafe")
        writer.add_bytes(plane)


def read_planes(reader: ArrayReader, count: int, kind: ElementKind) -> Numbers:
    """``count`` numbers again. Raises CorruptObject."""
    import numpy as np

    planes = [reader.take_bytes(count) for _ in range(reader.take_word(kind.width))]
    if not planes:
        return np.zeros(count, kind.unsigned)
    numbers = planes.pop().astype(kind.unsigned)
    for plane in reversed(planes):
        numbers <<= 8
        numbers |= plane
    return numbers


def write_differences(writer: ArrayWriter, differences: Numbers, kind: ElementKind) -> None:
    """All differences as numbers: 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ..."""
    signs = (differences.view(kind.signed) >> (8 * kind.width - 1)).view(kind.unsigned)
    signs ^= differences << 1
    write_planes(writer, signs)


def read_differences(reader: ArrayReader, count: int, kind: ElementKind) -> Numbers:
    """``count`` differences again. Raises CorruptObject."""
    folded = read_planes(reader, count, kind)
    differences = _negate(folded & 1)
    folded >>= 1
    differences ^= folded
    return differences


def write_changes(writer: ArrayWriter, differences: Numbers, kind: ElementKind) -> None:
    """Flags of those that are not 0; of these, flags of those beyond 1 and -1, signs, and how much more they are."""
    import numpy as np

    changed = differences != 0
    write_flags(writer, changed)
    signed = differences.take(np.flatnonzero(changed), mode="clip").view(kind.signed)
    more = np.abs(signed).view(kind.unsigned)
    more -= 1
    large = more != 0
    write_flags(writer, large)
    writer.add_bytes(np.packbits(signed < 0, bitorder="little"))
    more = more.take(np.flatnonzero(large), mode="clip")
    more -= 1
    write_planes(writer, more)


def read_changes(reader: ArrayReader, count: int, kind: ElementKind) -> tuple[Places, Numbers]:
    """The places, of ``count``, of differences that are not 0, and those. Raises CorruptObject."""
    import numpy as np

    places = np.flatnonzero(read_flags(reader, count))
    large = read_flags(reader, len(places))
    signs = np.unpackbits(reader.take_bytes(-(-len(places) // 8)), count=len(places), bitorder="little")
    numbers = large.astype(kind.unsigned)
    at = np.flatnonzero(large)
    numbers[at] += read_planes(reader, len(at), kind)
    numbers += 1
    negative = _negate(signs.astype(kind.unsigned))
    numbers ^= negative
    numbers -= negative
    return places, numbers


def _negate(ones: Numbers) -> Numbers:
    """All bits where there is a 1."""
    import numpy as np

    return np.negative(ones)
