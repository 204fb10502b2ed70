"""The CRC-32s of an archive of other bytes in the same places.

A CRC is written up to three times: in the directory, and in the local header or, where the writer did not know it yet,
in a data descriptor after the data. Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.9 and 4.3.12.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Part, Span, Template
from git_theta.formats.template import TemplateSource
from git_theta.formats.zip.zip_directory import SIZES_FOLLOW, Member

_CRC = struct.Struct("<L")
_CRC_IN_HEADER, _CRC_IN_RECORD = 14, 16
_DESCRIPTOR = b"PK\7\x08"


def members_of(spans: Sequence[Span], members: Mapping[str, Member]) -> list[Member]:
    """The member that each span is the data of. Raises FormatError where there is none."""
    by_offset = {member.offset: member for member in members.values()}
    found = [by_offset.get(span.offset) for span in spans]
    for span, member in zip(spans, found, strict=True):
        if member is None or member.size != span.size:
            raise FormatError("the frame and the tensors are not of the same archive", parameter=span.name)
    return [member for member in found if member]


def mend_checksums(parts: Sequence[Part], like: Template, members: Mapping[str, Member]) -> list[bytes]:
    """The template's runs with the CRCs of ``parts``, tensor for tensor; a CRC of 0 was never computed, and stays."""
    source = TemplateSource(like)
    patches: dict[int, bytes] = {}
    for part, member in zip(parts, members_of(like.spans, members), strict=True):
        if member.size and member.crc:
            patches |= _checksum_patches(member, part.crc(), source)
    return source.patch_runs(patches)


def blank_member(like: Template, member: Member) -> tuple[bytes, ...]:
    """The template's runs with zeros for the content of a member that is no tensor's, and for its CRC."""
    source = TemplateSource(like)
    return tuple(source.patch_runs({member.offset: bytes(member.size)} | _checksum_patches(member, 0, source)))


def _checksum_patches(member: Member, crc: int, source: TemplateSource) -> dict[int, bytes]:
    """Wherever the member's CRC is written: the offset, and the new one."""
    if crc == member.crc:
        return {}
    places = [member.record_offset + _CRC_IN_RECORD, member.header_offset + _CRC_IN_HEADER]
    if member.flags & SIZES_FOLLOW:
        end = member.offset + member.size
        # The descriptor's signature is optional.
        places.append(end + 4 if source.read(end, 4) == _DESCRIPTOR else end)
    old = _CRC.pack(member.crc)
    return {place: _CRC.pack(crc) for place in places if source.read(place, 4) == old}
