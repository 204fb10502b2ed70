"""Where the members of a zip archive lie, without decompressing or trusting any of it.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 (records) and 4.5.3 (zip64). ``zipfile`` does not serve: it reads a
directory of any size whole, and neither finds where data starts nor notices a member that lies about its place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_SATURATED_COUNT, _SATURATED = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 1
_END64_PREFIX = 12
"""Bytes of the zip64 end that the size it states leaves out."""
_DESCRIPTORS = {form.size: form for form in map(struct.Struct, ("<3L", "<4s3L", "<L2Q", "<4sL2Q"))}
"""By size: with or without a signature, sizes of 32 or 64 bits. torch leaves it out for members without bytes."""
_ENCRYPTED, SIZES_FOLLOW, UTF8 = 1, 8, 0x800
# About 100 bytes of directory and 300 of memory each; torch writes one member per storage.
_MAX_MEMBERS = 300_000
_MAX_DIRECTORY = 32 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive: ``size`` bytes at ``offset`` of the file, plain data only if ``stored``.

    Attributes:
        header_offset: offset of its local header.
        record_offset: offset of its record in the directory.
        unpacked: its size once decompressed.
        crc: the CRC-32 that the directory declares; 0 where the writer did not compute one.
    """

    name: str
    offset: int
    size: int
    stored: bool
    header_offset: int
    record_offset: int
    flags: int
    method: int
    unpacked: int
    crc: int


@dataclass(frozen=True, slots=True)
class _DirectoryRecord:
    """A member as the central directory tells it, ``at`` bytes from the directory's start."""

    at: int
    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    header_offset: int
    crc: int


def read_directory(source: Source) -> dict[str, Member]:
    """The members of the archive by name, in file order.

    Raises FormatError where the file is no archive or more than one: a member lies outside it, overlaps another or
    appears twice, bytes belong to no member, or local headers and directory tell different stories.
    """
    count, size, start, tail = _find_directory(source)
    if count > _MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise FormatError(f"the archive claims {count} members in a directory of {size} bytes, too many to read")
    records = sorted(_parse_records(source.read(start, size), count), key=lambda record: record.header_offset)
    members: dict[str, Member] = {}
    end = 0
    for record in records:
        if record.header_offset < end:
            raise FormatError("two members of the archive overlap")
        member = _locate_member(source, record, start)
        end = member.offset + member.size
        if end > start:
            raise FormatError(f"a member of the archive reaches into the directory: {member.name!a}")
        if members.setdefault(member.name, member) is not member:
            raise FormatError(f"two members of the archive have the same name: {member.name!a}")
    _require_one_archive(source, members.values(), start)
    if start + size != tail:
        raise FormatError("the archive has bytes after its directory that belong to no member")
    return members


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


def _require_one_archive(source: Source, members: Iterable[Member], start: int) -> None:
    """Raise FormatError where bytes before the directory's ``start`` are no member's: another archive's, or nobody's.

    Whoever rebuilds the archive would lose them. After a member's data there may be a data descriptor, which says the
    same as the directory: readers that stream go by it, all others by the directory.
    """
    end, before = 0, None
    for offset, member in [*((member.header_offset, member) for member in members), (start, None)]:
        if offset != end and not (before and before.flags & SIZES_FOLLOW and offset - end in _DESCRIPTORS):
            raise FormatError(f"{offset - end} bytes belong to no member of the archive: it may be several in one")
        if before and offset != end:
            _check_descriptor(source.read(end, offset - end), before)
        if member:
            end, before = member.offset + member.size, member


def _check_descriptor(descriptor: bytes, member: Member) -> None:
    told = _DESCRIPTORS[len(descriptor)].unpack(descriptor)
    if told[-3:] != (member.crc, member.size, member.unpacked) or told[:-3] not in ((), (b"PK\7\x08",)):
        raise FormatError(f"the archive's directory and a data descriptor disagree: {member.name!a}")


def _find_directory(source: Source) -> tuple[int, int, int, int]:
    """Number of members, size and offset of the central directory, and where what ends the archive begins."""
    end, fields = _find_end(source)
    count, size, start = fields
    wide = _find_end64(source, end)
    if wide:
        end = wide.offset
        limits = zip(fields, wide[1:], (_SATURATED_COUNT, _SATURATED, _SATURATED), strict=True)
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


def _parse_records(directory: bytes, count: int) -> Iterator[_DirectoryRecord]:
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
        yield _DirectoryRecord(at, directory[at + _CENTRAL.size : name_end], flags, method, packed, size, header, crc)
        at = extra_end + lengths[2]
    if at != len(directory):
        raise FormatError("the archive's directory has more in it than it counts")


def _widen_fields(fields: tuple[int, ...], extra: bytes) -> list[int]:
    """The fields, each saturated one replaced by its 64-bit value from the zip64 extra field, in order."""
    wide = iter(())
    at = 0
    while _SATURATED in fields and at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            body = extra[at + 4 : at + 4 + size]
            wide = iter(struct.unpack_from(f"<{len(body) // 8}Q", body))
            break
        at += 4 + size
    return [next(wide, field) if field == _SATURATED else field for field in fields]


def _locate_member(source: Source, record: _DirectoryRecord, directory: int) -> Member:
    """Where the member's data is: only its local header tells, since torch pads that header to align the data."""
    if record.header_offset + _LOCAL.size + len(record.name) > source.size:
        raise FormatError(f"a member of the archive lies outside the file: {record.name!a}")
    head = source.read(record.header_offset, _LOCAL.size + len(record.name))
    signature, _, flags, method, _, _, _, packed, size, name_size, extra_size = _LOCAL.unpack_from(head)
    agrees = (
        flags & SIZES_FOLLOW or _SATURATED in (packed, size) or (packed, size) == (record.packed, record.size)
    ) and (method == record.method and name_size == len(record.name) and head[_LOCAL.size :] == record.name)
    stored = method == 0 and not (flags | record.flags) & _ENCRYPTED
    if signature != b"PK\3\4" or not agrees or (stored and record.packed != record.size):
        raise FormatError(f"the archive's directory and a member's own header disagree: {record.name!a}")
    offset = record.header_offset + len(head) + extra_size
    return Member(
        name=_decode_name(record),
        offset=offset,
        size=record.packed,
        stored=stored,
        header_offset=record.header_offset,
        record_offset=directory + record.at,
        flags=record.flags,
        method=record.method,
        unpacked=record.size,
        crc=record.crc,
    )


def _decode_name(record: _DirectoryRecord) -> str:
    try:
        return record.name.decode("utf-8" if record.flags & UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise FormatError(f"a member of the archive has a name that is no text: {record.name!a}") from error
