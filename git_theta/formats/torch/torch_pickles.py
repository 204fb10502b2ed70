"""Members of a torch archive: pickles, read as data (of protocol 3 and later past the bytes of arrays); byte order."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.pickle.pickle_reader import MAX_PICKLE, read_pickle
from git_theta.formats.pickle.pickle_stream import read_pickle_within
from git_theta.formats.zip.zip_directory import Member

_KEEPS_BYTES = re.compile(rb"\x80[\x03-\x05]")
"""What a pickle begins with that holds bytes as they are: protocol 2 spells them as text."""
_HEAD = 2


def read_member_pickle(source: Source, member: Member, passed: Container[int] | None = None) -> object:
    """The object that a member of an archive describes.

    Args:
        source: the archive.
        member: the member.
        passed: offsets of bytes that are passed by, where all others are read; None for those that are many.

    Raises FormatError where it is compressed, encrypted, damaged, or larger than is read.
    """
    if member.stored and member.size >= _HEAD and _KEEPS_BYTES.match(source.read(member.offset, _HEAD)):
        return read_pickle_within(source, member.offset, member.size, passed)
    return read_pickle(read_small_member(source, member))


def read_small_member(source: Source, member: Member) -> bytes:
    """All of a member. Raises FormatError where it is compressed, encrypted or larger than is read."""
    if not member.stored or member.size > MAX_PICKLE:
        raise FormatError(f"{member.name} is compressed, encrypted or larger than is read")
    return source.read(member.offset, member.size)


def require_little_endian(source: Source, members: Mapping[str, Member], prefix: str) -> None:
    """Raise FormatError for an archive that was written on a big-endian machine: such storages are read by nobody here.

    ``prefix``: the folder that everything in the archive is in. An archive that does not say is little-endian.
    """
    byteorder = members.get(f"{prefix}byteorder")
    if byteorder and read_small_member(source, byteorder) != b"little":
        raise FormatError("the archive's storages are not little-endian")
