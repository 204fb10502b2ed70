"""The structures of an HDF5 file: its superblock, object headers and their messages, each read once and within bounds.

Source: HDF5 File Format Specification, version 3.0 (https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html),
sections II (superblock) and IV.A (object headers).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CONTINUATION = 0x10
_SIZES = (2, 4, 8)
_LARGEST_STRUCTURE = 32 << 20
_MAX_STRUCTURES = 1_000_000
"""A file of 150,000 datasets has about 500,000."""
_SHARED = 2
_HAS_TIMES, _HAS_PHASES, _HAS_ORDER = 0x20, 0x10, 4
_PREFIX_V1 = 16
_FIRST_ADDRESSES = {0: (24, 6), 1: (28, 6), 2: (12, 4), 3: (12, 4)}
"""By version of the superblock: where its addresses begin, and how many. The third is the end, the last the root."""


class HeaderMessage(NamedTuple):
    """A message of an object header.

    Attributes:
        kind: its type.
        body: what it says.
        offset: where in the file that is.
        is_shared: whether it only says where the message is.
        has_checksum: whether the header has a checksum over it.
    """

    kind: int
    body: bytes
    offset: int
    is_shared: bool
    has_checksum: bool


class _HeaderBlock(NamedTuple):
    """A stretch of a file that holds messages."""

    offset: int
    size: int


class Hdf5Reader:
    """Reads structures of one file. Hardly more bytes are read than the file has: its structures do not overlap.

    Attributes:
        root: address of the root group's object header.
        offset_size: bytes of an address.
        length_size: bytes of a length.
        places: offset and end of every structure that was read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 2 * source.size + _PREFIX_V1
        self.places: list[tuple[int, int]] = []
        self.offset_size = self.length_size = 8
        self.root = self._read_superblock()

    def read(self, offset: int | None, size: int) -> bytes:
        """A structure. Raises FormatError where it is none, too large, or one too many."""
        if offset is None or offset + size > self._source.size:
            raise FormatError("a structure of the file lies outside of it")
        self._left -= size
        if size > _LARGEST_STRUCTURE or self._left < 0 or len(self.places) >= _MAX_STRUCTURES:
            raise FormatError("the file's structures overlap, or are more than is read")
        self.places.append((offset, offset + size))
        return self._source.read(offset, size)

    def parse_offset(self, data: bytes, at: int) -> int | None:
        """The address that stands there; None where there is none."""
        value = self._parse_number(data, at, self.offset_size)
        return None if value == (1 << 8 * self.offset_size) - 1 else value

    def parse_length(self, data: bytes, at: int) -> int:
        """The length that stands there."""
        return self._parse_number(data, at, self.length_size)

    def read_messages(self, address: int) -> Iterator[HeaderMessage]:
        """The messages of the object header at an address. Raises FormatError where it is damaged."""
        head = self.read(address, _PREFIX_V1)
        if head.startswith(b"OHDR\2"):
            return self._read_header(address, head)
        if head[0] != 1:
            raise FormatError(f"there is no object header at byte {address}")
        return self._read_header_v1(address, head)

    def _read_superblock(self) -> int:
        head = self.read(0, min(_PREFIX_V1, self._source.size))
        version = head[8] if head.startswith(SIGNATURE) and len(head) == _PREFIX_V1 else None
        if version not in _FIRST_ADDRESSES:
            raise FormatError("the file has no superblock of a version that is read")
        at, (first, count) = 13 if version < 2 else 9, _FIRST_ADDRESSES[version]
        self.offset_size, self.length_size = head[at], head[at + 1]
        if self.offset_size not in _SIZES or self.length_size not in _SIZES:
            raise FormatError(f"addresses of {self.offset_size} and lengths of {self.length_size} bytes are not read")
        addresses = self.read(first, count * self.offset_size)
        base, _, end, *_, root = (self.parse_offset(addresses, at * self.offset_size) for at in range(count))
        if base != 0:
            raise FormatError("the file does not begin with its own content")
        if end is None or end > self._source.size:
            raise FormatError("the file is cut: its superblock tells of more bytes")
        if root is None:
            raise FormatError("the file has no root group")
        return root

    def _read_header_v1(self, address: int, head: bytes) -> Iterator[HeaderMessage]:
        count, size = int.from_bytes(head[2:4], "little"), int.from_bytes(head[8:12], "little")
        blocks = deque([_HeaderBlock(address + _PREFIX_V1, size)])
        while blocks and count:
            block = blocks.popleft()
            for message in _split_messages(self.read(*block), block.offset, 8, has_checksum=False):
                if not count:
                    return
                count -= 1
                yield from self._follow(message, blocks)

    def _read_header(self, address: int, head: bytes) -> Iterator[HeaderMessage]:
        flags = head[5]
        at = 6 + (16 if flags & _HAS_TIMES else 0) + (4 if flags & _HAS_PHASES else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(self.read(address + at, width), "little")
        prefix = 6 if flags & _HAS_ORDER else 4
        start = address + at + width
        yield from self._read_blocks(_HeaderBlock(start, size), prefix)

    def _read_blocks(self, first: _HeaderBlock, prefix: int) -> Iterator[HeaderMessage]:
        later: deque[_HeaderBlock] = deque()
        for message in _split_messages(self.read(*first), first.offset, prefix, has_checksum=True):
            yield from self._follow(message, later)
        while later:
            block = later.popleft()
            content = self.read(*block)
            if len(content) < 8 or not content.startswith(b"OCHK"):
                raise FormatError(f"an object header does not go on at byte {block.offset}")
            for message in _split_messages(content[4:-4], block.offset + 4, prefix, has_checksum=True):
                yield from self._follow(message, later)

    def _follow(self, message: HeaderMessage, blocks: deque[_HeaderBlock]) -> Iterator[HeaderMessage]:
        if message.kind != CONTINUATION:
            yield message
            return
        offset = self.parse_offset(message.body, 0)
        if offset is not None:
            blocks.append(_HeaderBlock(offset, self.parse_length(message.body, self.offset_size)))

    def _parse_number(self, data: bytes, at: int, size: int) -> int:
        if at + size > len(data):
            raise FormatError("a structure of the file is too short")
        return int.from_bytes(data[at : at + size], "little")


def _split_messages(content: bytes, offset: int, prefix: int, *, has_checksum: bool) -> Iterator[HeaderMessage]:
    """The messages of a block at ``offset``. Those of version 1 (a prefix of 8) have types of two bytes."""
    width = 2 if prefix == 8 else 1
    at = 0
    while at + prefix <= len(content):
        kind = int.from_bytes(content[at : at + width], "little")
        size = int.from_bytes(content[at + width : at + width + 2], "little")
        is_shared = bool(content[at + width + 2] & _SHARED)
        at += prefix
        if at + size > len(content):
            raise FormatError(f"a message of an object header is cut, at byte {offset + at}")
        yield HeaderMessage(kind, content[at : at + size], offset + at, is_shared, has_checksum)
        at += size
