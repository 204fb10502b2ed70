"""The values themselves: the update that needs no base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import Coder, Decoder, Update


class DenseUpdate(Update):
    """A block is one array."""

    name = "dense"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:  # noqa: ARG002
        return _DenseCoder(values.spec.dtype.width)

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:  # noqa: ARG002
        return _DenseDecoder()


class _DenseCoder(Coder):
    is_cheap = True

    def __init__(self, width: int) -> None:
        self._width = width

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:  # noqa: ARG002
        return (Array(self._width, block),)


class _DenseDecoder(Decoder):
    is_cheap = True

    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:  # noqa: ARG002
        if len(arrays) != 1:
            raise CorruptObject(f"a dense block has one array, not {len(arrays)}")
        return arrays[0].data
