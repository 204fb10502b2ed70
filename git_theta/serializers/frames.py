"""Byte planes whose statistics change along the way: each plane a zstd frame of short blocks, with few bytes around it.

An update that orders numbers by what tells of them makes arrays that begin as noise and end as zeros. One code for all
of it, as *planes* has for 128 KiB, would throw the order away; zstd makes one for every block of a frame, or keeps that
of the block before where it is as good. And blocks that hardly changed are a few kilobytes in many arrays: lengths have
as many bytes as they need, and the four that each frame begins with are left out.

Layout of a block (normative: docs/spec/objects.md): u8 number of arrays; per array u8 width, its bytes as a count, and
for each of its planes from the least significant the bytes of its frame as a count, 0 where it is raw, and the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.byte_planes import join_planes, split_planes
from git_theta.serializers.framing import MAX_STORED_BLOCK, prefix_lengths, read_bodies
from git_theta.serializers.zstd import compress, compress_pieces, decompress
from git_theta.tensors.arrays import Array, Arrays, Buffer, Parallel

PIECE = 8 << 10
"""Bytes of a plane that have a code of their own."""
_SAMPLE_SIZE = 2 << 10
_SMALLEST = 12
"""Bytes of a plane below which no frame is tried."""
_MAGIC = b"\x28\xb5\x2f\xfd"
_COUNT_BYTES = 4


class FramesSerializer(Serializer):
    """Any number of arrays per block."""

    name = "frames"

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        return prefix_lengths(parallel(_pack_block, blocks))

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        return parallel(_unpack_block, read_bodies(payload))


def _pack_block(arrays: Arrays) -> bytes:
    parts: list[Buffer] = [bytes([len(arrays)])]
    for array in arrays:
        width = array.width if len(array.data) % array.width == 0 else 1
        parts.append(bytes([width]) + _pack_count(len(array.data)))
        for plane in split_planes(array.data, width) if len(array.data) else ():
            frame = _pack_plane(plane)
            parts += (_pack_count(len(frame)), frame) if frame else (b"\0", plane)
    return b"".join(parts)


def _pack_plane(plane: Buffer) -> bytes:
    """A frame without its magic number; nothing where it would not be smaller than the plane."""
    if len(plane) < _SMALLEST or _is_noise(memoryview(plane)):
        return b""
    frame = compress_pieces(plane, PIECE)[len(_MAGIC) :]
    return frame if len(frame) < len(plane) else b""


def _is_noise(plane: memoryview) -> bool:
    """Whether neither the start, nor the middle, nor the end of a long plane shrinks."""
    if len(plane) <= 2 * PIECE:
        return False
    starts = (0, len(plane) // 2, len(plane) - _SAMPLE_SIZE)
    return all(len(compress(plane[start : start + _SAMPLE_SIZE])) >= _SAMPLE_SIZE for start in starts)


def _pack_count(count: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    packed = bytearray()
    while count > 0x7F:
        packed.append(count & 0x7F | 0x80)
        count >>= 7
    packed.append(count)
    return bytes(packed)


def _unpack_block(body: bytes) -> Arrays:
    cursor, total = _Cursor(body), 0
    arrays = []
    for _ in range(cursor.take(1)[0]):
        width, size = cursor.take(1)[0], cursor.take_count()
        total += size
        if not width or size % width or total > MAX_STORED_BLOCK:
            raise CorruptObject(f"a stored block claims an array of {size} bytes, {width} to a number")
        planes = [cursor.take_plane(size // width) for _ in range(width if size else 0)]
        arrays.append(Array(width, join_planes(planes, width, size) if size else b""))
    if cursor.left:
        raise CorruptObject("a stored block of frames is longer than its frames")
    return tuple(arrays)


class _Cursor:
    """Takes what is next in a body. Raises CorruptObject where that ends before."""

    def __init__(self, body: bytes) -> None:
        self.left = memoryview(body)

    def take(self, size: int) -> memoryview:
        """So many bytes."""
        if size > len(self.left):
            raise CorruptObject("a stored block of frames ends too early")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def take_count(self) -> int:
        """A count of at most four bytes."""
        count = 0
        for place in range(_COUNT_BYTES):
            (byte,) = self.take(1)
            count |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return count
        raise CorruptObject("a count in a stored block does not end")

    def take_plane(self, size: int) -> Buffer:
        """A plane of so many bytes."""
        length = self.take_count()
        return decompress(_MAGIC + self.take(length), size) if length else self.take(size)
