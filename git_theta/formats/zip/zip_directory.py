"""Where the members of a zip archive lie, without decompressing or trusting any of it.

Source: PKWARE APPNOTE 6.3.10, section 4.3. ``zipfile`` does not serve: it reads a directory of any size whole, and
neither finds where data starts nor notices a member that lies about its place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.zip.zip_ends import find_directory
from git_theta.formats.zip.zip_records import SATURATED, DirectoryRecord, parse_records

_LOCAL = struct.Struct("<4s5H3L2H")
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


def read_directory(source: Source) -> dict[str, Member]:
    """The members of the archive by name, in file order.

    Raises FormatError where the file is no archive or more than one: a member lies outside it, overlaps another or
    appears twice, bytes belong to no member, or local headers and directory tell different stories.
    """
    count, size, start, tail = find_directory(source)
    if count > _MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise FormatError(f"the archive claims {count} members in a directory of {size} bytes, too many to read")
    records = sorted(parse_records(source.read(start, size), count), key=lambda record: record.header_offset)
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


def _locate_member(source: Source, record: DirectoryRecord, directory: int) -> Member:
    """Where the member's data is: only its local header tells, since torch pads that header to align the data."""
    if record.header_offset + _LOCAL.size + len(record.name) > source.size:
        raise FormatError(f"a member of the archive lies outside the file: {record.name!a}")
    head = source.read(record.header_offset, _LOCAL.size + len(record.name))
    signature, _, flags, method, _, _, _, packed, size, name_size, extra_size = _LOCAL.unpack_from(head)
    agrees = (
        flags & SIZES_FOLLOW or SATURATED in (packed, size) or (packed, size) == (record.packed, record.size)
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


def _decode_name(record: DirectoryRecord) -> str:
    try:
        return record.name.decode("utf-8" if record.flags & UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise FormatError(f"a member of the archive has a name that is no text: {record.name!a}") from error
