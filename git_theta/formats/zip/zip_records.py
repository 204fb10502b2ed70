"""The records of a zip archive's directory, as they stand there: each tells of one member.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.12 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from git_theta.errors import FormatError

_CENTRAL = struct.Struct("<4s6H3L5H2L")
_ZIP64_EXTRA = 1
SATURATED = 0xFFFFFFFF
"""What a field of 32 bits says whose value takes more: that stands elsewhere, in 64 bits."""


@dataclass(frozen=True, slots=True)
class DirectoryRecord:
    """A member as the central directory tells it, ``at`` bytes from the directory's start."""

    at: int
    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    header_offset: int
    crc: int


def parse_records(directory: bytes, count: int) -> Iterator[DirectoryRecord]:
    """The records of a directory. Raises FormatError where it holds anything but ``count`` of them."""
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory):
            raise FormatError("the archive's directory is truncated")
        signature, _, _, flags, method, _, _, crc, packed, size, *lengths, _, _, _, header = _CENTRAL.unpack_from(
            directory, at
        )
        name_end = at + _CENTRAL.size + lengths[0]
        extra_end = name_end + lengths[1]
        if signature != b"PK\1\2" or extra_end + lengths[2] > len(directory):
            raise FormatError("the archive's directory is damaged")
        size, packed, header = _widen_fields((size, packed, header), directory[name_end:extra_end])
        yield DirectoryRecord(at, directory[at + _CENTRAL.size : name_end], flags, method, packed, size, header, crc)
        at = extra_end + lengths[2]
    if at != len(directory):
        raise FormatError("the archive's directory has more in it than it counts")


def _widen_fields(fields: tuple[int, ...], extra: bytes) -> list[int]:
    """The fields, each saturated one replaced by its 64-bit value from the zip64 extra field, in order."""
    wide = iter(())
    at = 0
    while SATURATED in fields and at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            body = extra[at + 4 : at + 4 + size]
            wide = iter(struct.unpack_from(f"<{len(body) // 8}Q", body))
            break
        at += 4 + size
    return [next(wide, field) if field == SATURATED else field for field in fields]
