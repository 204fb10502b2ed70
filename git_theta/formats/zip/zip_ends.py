"""What ends a zip archive, and says where its directory lies: records of 32 bits, and of 64 bits before them.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.zip.zip_records import SATURATED

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 0xFFFF
_SATURATED_COUNT = 0xFFFF
_END64_PREFIX = 12
"""Bytes of the zip64 end that the size it states leaves out."""


def directory_places(source: Source) -> list[tuple[int, int]]:
    """Where the file says where its directory lies, and how long it is: offsets and sizes."""
    end, _ = _find_end(source)
    wide = _find_end64(source, end)
    places = [(end + 12, 8)]
    return [*places, (wide.offset + 40, 16), (end - _END64_LOCATOR.size + 8, 8)] if wide else places


def find_archive_start(source: Source, end: int) -> int:
    """Where the archive begins that ends at ``end``, of several that stand in a row; none has a comment.

    Raises FormatError where none ends there.
    """
    at = end - _END.size
    if at < 0 or not source.read(at, _END.size).startswith(b"PK\5\6"):
        raise FormatError(f"no archive ends at byte {end}")
    *_, size, start, comment = _END.unpack(source.read(at, _END.size))
    locator = at - _END64_LOCATOR.size
    if locator >= _END64.size and source.read(locator, 4) == b"PK\6\7":
        # The record stands right before what says where it is, counted from where the archive begins.
        told = _END64_LOCATOR.unpack(source.read(locator, _END64_LOCATOR.size))[2]
        begin = locator - _END64.size - told
    else:
        begin = at - size - start
    if comment or begin < 0:
        raise FormatError(f"the archive that ends at byte {end} begins nowhere")
    return int(begin)


def find_directory(source: Source) -> tuple[int, int, int, int]:
    """Number of members, size and offset of the central directory, and where what ends the archive begins."""
    end, fields = _find_end(source)
    count, size, start = fields
    wide = _find_end64(source, end)
    if wide:
        end = wide.offset
        limits = zip(fields, wide[1:], (_SATURATED_COUNT, SATURATED, SATURATED), strict=True)
        if any(plain not in (said, limit) for plain, said, limit in limits):
            raise FormatError("the archive's two ends disagree: it may be several in one")
        count, size, start = wide[1:]
    if start + size > end:
        raise FormatError("the archive's directory lies outside the file")
    return count, size, start, end


def _find_end(source: Source) -> tuple[int, tuple[int, int, int]]:
    """Where the end record is, and what it says. torch writes no comment, so that look comes first."""
    for reach in (_END.size, _END.size + _LONGEST_COMMENT):
        tail = source.read(max(0, source.size - reach), min(reach, source.size))
        at = tail.rfind(b"PK\5\6")
        while at >= 0:
            if at + _END.size <= len(tail):
                _, _, _, _, count, size, start, comment = _END.unpack_from(tail, at)
                if at + _END.size + comment == len(tail):
                    return source.size - len(tail) + at, (count, size, start)
            at = tail.rfind(b"PK\5\6", 0, at)
    raise FormatError("the archive has no end: it is truncated, or no zip")


class _WideEnd(NamedTuple):
    """What a zip64 end record says, and its own offset."""

    offset: int
    members: int
    size: int
    start: int


def _find_end64(source: Source, end: int) -> _WideEnd | None:
    """The zip64 end record, or None where there is none: 65,535 members fit a plain archive too."""
    if end < _END64_LOCATOR.size:
        return None
    signature, _, at, _ = _END64_LOCATOR.unpack(source.read(end - _END64_LOCATOR.size, _END64_LOCATOR.size))
    if signature != b"PK\6\7":
        return None
    if at + _END64.size > end:
        raise FormatError("the archive's zip64 end lies outside the file")
    signature, rest, *_, count, size, start = _END64.unpack(source.read(at, _END64.size))
    if signature != b"PK\6\6" or at + _END64_PREFIX + rest != end - _END64_LOCATOR.size:
        raise FormatError("the archive's zip64 end is damaged")
    return _WideEnd(at, count, size, start)
