"""The array's bytes as they are: the object's id is then the tensor's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.serializers.base import Payload, Serializer
from git_theta.tensors.arrays import BLOCK, Array, Arrays, Buffer, Parallel


class RawSerializer(Serializer):
    """Blocks of one array, concatenated."""

    name = "raw"
    takes_any_arrays = False

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:  # noqa: ARG002
        for (array,) in blocks:
            yield array.data

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:  # noqa: ARG002
        while payload.left:
            yield (Array(1, payload.read_exactly(min(BLOCK, payload.left))),)
