"""The values themselves: the update that needs no base."""

from __future__ import annotations

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer
from git_theta.updates.base import Update


class DenseUpdate(Update):
    """A block is one array."""

    name = "dense"

    def encode(self, block: Buffer, width: int) -> Arrays:
        return (Array(width, block),)

    def decode(self, arrays: Arrays) -> Buffer:
        if len(arrays) != 1:
            raise CorruptObject(f"a dense block has one array, not {len(arrays)}")
        return arrays[0].data
