"""The serializer: numbers of a block through pcodec (https://github.com/pcodec/pcodec), raw where that is no smaller.

A serializer is told how wide numbers are, not what they mean. Those of 4 and 8 bytes go as floats, whose bits pcodec
keeps and whose order is that of integers of the same sign: as floats integers shrank as far, and floats, for which
pcodec has modes of their own, further. Of 2 bytes, most weights are bf16, which pcodec has not: they go as integers.

Layout of a block, behind its length (u32, little-endian): u8 width of a number, 0 for bytes as they are; u32 bytes; a
standalone file of pcodec, or the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.framing import MAX_STORED_BLOCK, prefix_lengths, read_bodies
from git_theta.tensors.arrays import Array, Arrays, Buffer, Parallel

_HEADER = struct.Struct("<BI")
_DTYPES = {1: "<u1", 2: "<u2", 4: "<f4", 8: "<f8"}
"""Bytes of a number to what pcodec is told that it is."""
_SMALLEST = 64
"""Bytes below which nothing is tried: a file of pcodec has 23 around its numbers."""


class PcodecSerializer(Serializer):
    """One array a block, as the update "dense" has it: deltas keep the serializer that suits them."""

    name = "pcodec"
    api = 1
    takes_any_arrays = False

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        return prefix_lengths(parallel(_pack_block, blocks))

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        return parallel(_unpack_block, read_bodies(payload))


def _pack_block(arrays: Arrays) -> bytes:
    (array,) = arrays
    size = len(array.data)
    width = array.width if array.width in _DTYPES and size % array.width == 0 else 1
    packed = _compress(array.data, width) if size >= _SMALLEST else b""
    if packed and len(packed) < size:
        return _HEADER.pack(width, size) + packed
    return _HEADER.pack(0, size) + bytes(array.data)


def _compress(data: Buffer, width: int) -> bytes:
    import numpy as np
    from pcodec import ChunkConfig, standalone

    numbers = np.frombuffer(data, _DTYPES[width])
    packed: bytes = standalone.simple_compress(numbers, ChunkConfig(enable_8_bit=True))
    return packed


def _unpack_block(body: bytes) -> Arrays:
    if len(body) < _HEADER.size:
        raise CorruptObject("a stored block of pcodec has no header")
    width, size = _HEADER.unpack_from(body)
    if size > MAX_STORED_BLOCK:
        raise CorruptObject(f"a stored block claims {size} bytes")
    packed = memoryview(body)[_HEADER.size :]
    if width == 0 and size == len(packed):
        return (Array(1, packed),)
    if width not in _DTYPES or size % width:
        raise CorruptObject(f"a stored block claims {size} bytes in numbers of {width}")
    return (Array(width, _decompress(bytes(packed), width, size)),)


def _decompress(packed: bytes, width: int, size: int) -> Buffer:
    """So many bytes: into memory of ours, so that what the file claims costs none. Raises CorruptObject."""
    import numpy as np
    from pcodec import standalone

    numbers = np.empty(size // width, _DTYPES[width])
    try:
        progress = standalone.simple_decompress_into(packed, numbers)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CorruptObject(f"a stored block of pcodec is damaged: {error}") from error
    if progress.n_processed != len(numbers) or not progress.finished:
        raise CorruptObject("a stored block of pcodec has not as many numbers as it says")
    return numbers.view(np.uint8).data
