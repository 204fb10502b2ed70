"""Writes the frame of a zip archive around members whose bytes are elsewhere, laid out to the byte as torch does.

Source: PKWARE APPNOTE 6.3.10; ``getPadding`` in ``caffe2/serialize/inline_container.cc`` and
``mz_zip_writer_add_mem_ex_v2`` in torch's miniz (2.13). torch can predict where storages lie only in this layout.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from git_theta.errors import FormatError
from git_theta.formats.zip.zip_directory import SIZES_FOLLOW

_LOCAL = struct.Struct("<4s2s2H4s3L2H")
_CENTRAL = struct.Struct("<4s4s2H4s3L3HH6sL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_ZIP64_EXTRA, _PADDING_EXTRA = 1, int.from_bytes(b"FB", "little")
_MAX_U32, _MAX_U16 = 0xFFFFFFFF, 0xFFFF
# What torch writes in the zip64 end: made by version 3.0 on Unix, version 4.5 needed.
_VERSION_MADE_BY, _VERSION_NEEDED = 0x031E, 45


@dataclass(frozen=True, slots=True)
class NewMember:
    """A member to be written.

    Attributes:
        name: as it is written.
        crc: the CRC-32 of its decompressed bytes, or 0.
        size: bytes in the archive.
        unpacked: bytes once decompressed.
        content: the bytes in the archive; None for the next of the holes.
        record: 46 bytes of a directory record whose versions, flags, method, time and attributes it takes over.
    """

    name: bytes
    crc: int
    size: int
    unpacked: int
    content: bytes | None
    record: bytes


def build_archive(entries: Iterable[NewMember], alignment: int) -> list[bytes]:
    """The bytes before, between and after the holes of an archive of ``entries``.

    Args:
        entries: the members, in the file's order.
        alignment: what the offset of each member's data is a multiple of, at most 2**15; 0 to pad nothing.
    """
    writer = _ArchiveWriter(alignment)
    for entry in entries:
        writer.add_member(entry)
    return writer.finish()


class _ArchiveWriter:
    def __init__(self, alignment: int) -> None:
        self._alignment = alignment
        self._runs: list[bytes] = []
        self._run = bytearray()
        self._start = 0
        self._directory = bytearray()
        self._count = 0

    def _offset(self) -> int:
        """The offset in the file."""
        return self._start + len(self._run)

    def add_member(self, entry: NewMember) -> None:
        _, versions, flags, method, times, *_, attributes, _ = _CENTRAL.unpack(entry.record)
        # As torch does, which leaves the descriptor out for members without bytes.
        follow = flags & SIZES_FOLLOW and entry.unpacked
        flags = flags if follow else flags & ~SIZES_FOLLOW
        header = self._offset()
        known = (entry.crc, entry.size, entry.unpacked)
        wide = _zip64_extra((entry.unpacked, entry.size, header))
        extra = wide + self._padding_extra(header + _LOCAL.size + len(entry.name) + len(wide))
        lengths = (len(entry.name), len(extra))
        saturated = (entry.crc, *(min(size, _MAX_U32) for size in known[1:]))
        local = (0, 0, 0) if follow else saturated
        self._run += _LOCAL.pack(b"PK\3\4", versions[2:], flags, method, times, *local, *lengths)
        self._run += entry.name + extra
        self._write_content(entry)
        if follow:
            self._run += b"PK\7\x08" + struct.pack("<L2Q" if wide else "<3L", *known)
        lengths = (len(entry.name), len(wide))
        self._directory += _CENTRAL.pack(
            b"PK\1\2", versions, flags, method, times, *saturated, *lengths, 0, 0, attributes, min(header, _MAX_U32)
        )
        self._directory += entry.name + wide
        self._count += 1

    def finish(self) -> list[bytes]:
        start, size = self._offset(), len(self._directory)
        self._run += self._directory
        end = self._offset()
        counts = (self._count, self._count, size, start)
        self._run += _END64.pack(b"PK\6\6", _END64.size - 12, _VERSION_MADE_BY, _VERSION_NEEDED, 0, 0, *counts)
        self._run += _END64_LOCATOR.pack(b"PK\6\7", 0, end, 1)
        count = min(self._count, _MAX_U16)
        self._run += _END.pack(b"PK\5\6", 0, 0, count, count, min(size, _MAX_U32), min(start, _MAX_U32), 0)
        return [*self._runs, bytes(self._run)]

    def _write_content(self, entry: NewMember) -> None:
        if entry.content is not None:
            self._run += entry.content
            return
        self._start = self._offset() + entry.size
        self._runs.append(bytes(self._run))
        self._run = bytearray()

    def _padding_extra(self, at: int) -> bytes:
        """The extra field that moves the data, which would else start at ``at``, to the next multiple."""
        if not self._alignment:
            return b""
        size = -(at + 4) % self._alignment
        return struct.pack("<2H", _PADDING_EXTRA, size) + b"Z" * size


def _zip64_extra(fields: tuple[int, int, int]) -> bytes:
    """Those of unpacked size, size and header offset that 32 bits cannot hold."""
    wide = [field for field in fields if field >= _MAX_U32]
    return struct.pack(f"<2H{len(wide)}Q", _ZIP64_EXTRA, 8 * len(wide), *wide) if wide else b""


def parse_alignment(text: bytes) -> int:
    """The alignment that ``.storage_alignment`` states. Raises FormatError where an archive cannot be padded to it."""
    alignment = int(text) if text.isdigit() and len(text) < 6 else 0
    if alignment not in {1 << power for power in range(16)}:
        raise FormatError(f"the archive's alignment is {text[:20]!a}, not a power of two of at most 32768")
    return alignment
