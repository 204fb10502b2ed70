"""A msgpack container: every block a list of [width, bytes] pairs, readable in any language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.framing import prefix_lengths, read_bodies
from git_theta.tensors.arrays import Array, Arrays, Buffer, Parallel


class MsgpackSerializer(Serializer):
    """Any number of arrays per block."""

    name = "msgpack"

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        return prefix_lengths(parallel(_pack_arrays, blocks))

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        return parallel(_unpack_arrays, read_bodies(payload))


def _pack_arrays(arrays: Arrays) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb([[array.width, bytes(array.data)] for array in arrays])
    return packed


def _unpack_arrays(body: bytes) -> Arrays:
    import msgpack

    try:
        pairs = msgpack.unpackb(body)
        arrays = tuple(Array(width, data) for width, data in pairs)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise CorruptObject(f"a stored block is not valid msgpack: {error}") from error
    if not all(type(width) is int and 0 < width < 256 and isinstance(data, bytes) for width, data in arrays):
        raise CorruptObject("a stored block is not a list of arrays")
    return arrays
