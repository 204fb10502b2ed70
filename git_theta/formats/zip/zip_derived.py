"""What the writer of a zip archive derives from the rest of the file: checksums, and where everything lies.

A CRC is written up to three times: in the directory, and in the local header or, where the writer did not know it yet,
in a data descriptor after the data. Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.9, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from zlib import crc32

from git_theta.errors import FormatError
from git_theta.formats.base import Checksum, Derived, Span, Template
from git_theta.formats.template import TemplateSource
from git_theta.formats.zip.zip_directory import SIZES_FOLLOW, UTF8, Member
from git_theta.formats.zip.zip_ends import directory_places
from git_theta.tensors.values import Values

CRC_UNKNOWN = 1
"""A CRC to write where one is to be put in later: 0 stands for one that was never computed."""
_CRC = struct.Struct("<L")
_CRC_IN_HEADER, _CRC_IN_RECORD = 14, 16
_LENGTHS = struct.Struct("<2H")
_DESCRIPTOR = b"PK\7\x08"


def members_of(spans: Sequence[Span], members: Mapping[str, Member]) -> list[Member]:
    """The member that each span is the data of. Raises FormatError where there is none."""
    by_offset = {member.offset: member for member in members.values()}
    found = [by_offset.get(span.offset) for span in spans]
    for span, member in zip(spans, found, strict=True):
        if member is None or member.size != span.size:
            raise FormatError("the frame and the tensors are not of the same archive", parameter=span.name)
    return [member for member in found if member]


def derive_checksums(like: Template, members: Mapping[str, Member]) -> Iterator[Derived]:
    """Every CRC of an archive, those of members with a tensor in them as its checksum.

    A CRC of 0 was never computed, and stays.
    """
    source = TemplateSource(like)
    filled = [span for span in like.spans if span.size]
    starts = [span.offset for span in filled]
    for member in members.values():
        first, after = (bisect_left(starts, at) for at in (member.offset, member.offset + member.size))
        inside = filled[first:after] if member.crc else []
        checksum = _checksum_around(source, member, inside) if inside else None
        name, *further = [span.name for span in inside] or [""]
        for place in _find_crc_places(source, member):
            yield Derived(place, _CRC.size, name, checksum, tuple(further))


def derive_places(like: Template, members: Mapping[str, Member], prefix: str) -> Iterator[Derived]:
    """Where things lie, and the folder ``prefix`` that every member is in: it may be called after the file.

    That folder's length moves everything: offsets, the padding that aligns the data, the lengths of both.
    """
    source = TemplateSource(like)
    for member in members.values():
        folder = len(prefix.encode("utf-8" if member.flags & UTF8 else "cp437"))
        header, record = member.header_offset, member.record_offset
        yield Derived(header + 26, 4 + folder)
        name_size, extra_size = _LENGTHS.unpack(source.read(header + 26, 4))
        yield from _derive_padding(source, header + 30 + name_size, extra_size)
        yield Derived(record + 28, 4)
        yield Derived(record + 42, 4 + folder)
        name_size, extra_size = _LENGTHS.unpack(source.read(record + 28, 4))
        yield from _derive_padding(source, record + 46 + name_size, extra_size)
    yield from (Derived(*place) for place in directory_places(source))


def _derive_padding(source: TemplateSource, offset: int, size: int) -> Iterator[Derived]:
    """An extra field of torch's padding and of wide offsets alone; one that says more is no derived bytes."""
    if size and source.read(offset, min(2, size)) in (b"FB", b"\1\0"):
        yield Derived(offset, size)


def _find_crc_places(source: TemplateSource, member: Member) -> Iterator[int]:
    """Wherever the member's CRC is written."""
    yield member.record_offset + _CRC_IN_RECORD
    old = _CRC.pack(member.crc)
    if source.read(member.header_offset + _CRC_IN_HEADER, 4) == old:
        yield member.header_offset + _CRC_IN_HEADER
    if member.flags & SIZES_FOLLOW and member.size:
        # The descriptor's signature is optional.
        end = member.offset + member.size
        descriptor = source.read(end, 8)
        place = 4 if descriptor.startswith(_DESCRIPTOR) else 0
        if descriptor[place : place + 4] == old:
            yield end + place


def _checksum_around(source: TemplateSource, member: Member, spans: Sequence[Span]) -> Checksum:
    """The CRC of a member that is a tensor, perhaps with a header before it or bytes after it; or that has several."""
    literals, at = [], member.offset
    for span in spans:
        literals.append(source.read(at, span.offset - at))
        at = span.offset + span.size
    literals.append(source.read(at, member.offset + member.size - at))
    before, after = crc32(literals[0]), literals[-1]
    name = f"crc32 after {before:08x}, before {len(after)} bytes {crc32(after):08x}" if before or after else "crc32"
    return Checksum(name, partial(_compute_crc, tuple(literals)))


def _compute_crc(literals: Sequence[bytes], *tensors: Values) -> bytes:
    """The CRC of literal bytes with a tensor between each and the next one."""
    checksum = 0
    for literal, values in zip_longest(literals, tensors):
        checksum = crc32(literal, checksum)
        for block in values.blocks() if values is not None else ():
            checksum = crc32(block, checksum)
    return _CRC.pack(checksum)
