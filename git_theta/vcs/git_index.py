"""How files look, written into Git's index file: so Git knows them without reading them.

Format: gitformat-index(5), versions 2 to 4. An entry begins with what lstat told of its file, in 40 bytes, whatever
follows; so these are replaced in place, and no extension minds. What is not understood here is left alone.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_theta.errors import GitError

_HEADER = struct.Struct(">4s2L")
_BEFORE_MODE, _AFTER_MODE = struct.Struct(">6L"), struct.Struct(">3L")
_MODE_END, _STAT_SIZE = 28, 40
_EXTENDED_FLAG, _STAGE_MASK = 0x4000, 0x3000
_SPLIT, _SPARSE = b"link", b"sdir"
_WORD = 1 << 32


class KnownFile(NamedTuple):
    """A file that holds what a blob stands for: the blob's id, and how the file looked then."""

    blob: str
    stat: os.stat_result


class SplitIndexError(GitError):
    """Most entries are in another file, which never changes."""


def patch_index(data: bytes, files: Mapping[str, KnownFile]) -> bytes:
    """An index file in which these files look as described, where the entry has that blob and no conflict.

    Args:
        data: the index file.
        files: by path from the top; at least one. Their blobs' ids are of the repository's hash.

    Raises GitError when the index is damaged or of a kind that is not understood, SplitIndexError when it is split.
    """
    oid_size = len(next(iter(files.values())).blob) // 2
    body, checksum = data[:-oid_size], data[-oid_size:]
    if any(checksum) and checksum != _hash_of(body, oid_size):  # zeros: index.skipHash
        raise GitError("the index is damaged: its checksum is another")
    wanted = {os.fsencode(path): file for path, file in files.items()}
    patched, end = bytearray(body), _HEADER.size
    for at, flags, name, end in _read_entries(body, oid_size):  # noqa: B007
        file = wanted.get(name)
        if file and not flags & _STAGE_MASK and body[at + _STAT_SIZE : at + _STAT_SIZE + oid_size].hex() == file.blob:
            _write_stat(patched, at, file.stat)
    _require_known_extensions(body, end)
    return bytes(patched) + (_hash_of(patched, oid_size) if any(checksum) else checksum)


def _read_entries(body: bytes, oid_size: int) -> Iterator[tuple[int, int, bytes, int]]:
    """(offset, flags, path, end) of each entry."""
    magic, version, count = _HEADER.unpack_from(body)
    if magic != b"DIRC" or version not in (2, 3, 4):
        raise GitError(f"an index of version {version}, which this release does not know")
    at, path = _HEADER.size, b""
    for _ in range(count):
        start = at + _STAT_SIZE + oid_size + 2
        flags = int.from_bytes(body[start - 2 : start])
        start += 2 if flags & _EXTENDED_FLAG else 0
        kept = 0
        if version == 4:  # what is taken off the path before, and the rest
            strip, start = _read_number(body, start)
            kept = len(path) - strip
        end = body.index(0, start)
        path = path[:kept] + body[start:end]
        end += 1 if version == 4 else 8 - (end - at) % 8
        yield at, flags, path, end
        at = end


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, as in packs (OFS_DELTA), and where it ends."""
    value = body[at] & 0x7F
    while body[at] & 0x80:
        at += 1
        value = (value + 1 << 7) + (body[at] & 0x7F)
    return value, at + 1


def _require_known_extensions(body: bytes, at: int) -> None:
    """Raise GitError for an extension without which the index cannot be understood: those with small letters."""
    while at < len(body):
        name, size = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8])
        if name == _SPLIT:
            raise SplitIndexError("the index is split")
        if name[:1].islower() and name != _SPARSE:
            raise GitError(f"an index with the extension {name!r}, which this release does not know")
        at += 8 + size


def _write_stat(patched: bytearray, at: int, stat: os.stat_result) -> None:
    """The fields as Git has them: 32 bits of each, and the mode as it was."""
    if stat.st_size % _WORD == 0:  # releases of Git differ in how they note this size: it finds out for itself
        return
    seconds = [value for time in (stat.st_ctime_ns, stat.st_mtime_ns) for value in divmod(time, 10**9)]
    before = (*seconds, stat.st_dev, stat.st_ino)
    _BEFORE_MODE.pack_into(patched, at, *(value % _WORD for value in before))
    after = (stat.st_uid, stat.st_gid, stat.st_size)
    _AFTER_MODE.pack_into(patched, at + _MODE_END, *(value % _WORD for value in after))


def _hash_of(body: bytes | bytearray, oid_size: int) -> bytes:
    return hashlib.new("sha1" if oid_size == 20 else "sha256", body, usedforsecurity=False).digest()
