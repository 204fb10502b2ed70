"""Two small updates that prove the seam: one builds on a base, one has a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.updates.base import Coder, Decoder, Update


class DifferenceUpdate(Update):
    """New numbers minus old ones as integers, modulo 2 to the bits of their width."""

    name = "difference"
    base = "same-spec"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        assert base is not None
        assert base.spec == values.spec
        return DifferenceCoder(values.spec.dtype.width)

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        return _DifferenceDecoder(spec.dtype.width)


class DifferenceCoder(Coder):
    def __init__(self, width: int) -> None:
        self._width = width

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        import numpy as np

        new, old = (np.frombuffer(data, f"<u{self._width}") for data in (block, base_block))
        return (Array(self._width, (new - old).tobytes()),)


class _DifferenceDecoder(Decoder):
    def __init__(self, width: int) -> None:
        self._width = width

    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        import numpy as np

        if len(arrays) != 1 or not len(arrays[0].data) == len(base_block) or len(base_block) % self._width:
            raise CorruptObject("a block of differences has one array, as long as the block of the base")
        difference, old = (np.frombuffer(data, f"<u{self._width}") for data in (arrays[0].data, base_block))
        return bytes((difference + old).tobytes())


class AboveSmallestUpdate(Update):
    """Bytes above the smallest one of the tensor, which is the head; that they are bytes is an option."""

    name = "above-smallest"
    options = ("unit",)

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        assert base is None
        assert settings == {}
        return _AboveCoder(min((min(block) for block in map(bytes, values.blocks()) if block), default=0))

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        if options != {"unit": 1}:
            raise CorruptObject(f"options {options}")
        if next(stored, ()) != (Array(1, b"above"),):
            raise CorruptObject("the head has two lists, and the first is a word")
        head = next(stored, ())
        if len(head) != 1 or len(head[0].data) != 1:
            raise CorruptObject("the second list of the head is a byte")
        return _AboveDecoder(bytes(head[0].data)[0])


class _AboveCoder(Coder):
    def __init__(self, smallest: int) -> None:
        self.head = [(Array(1, b"above"),), (Array(1, bytes([smallest])),)]
        self.options = {"unit": 1}
        self._shift = bytes((value - smallest) % 256 for value in range(256))

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        return (Array(1, bytes(block).translate(self._shift)),)


class _AboveDecoder(Decoder):
    def __init__(self, smallest: int) -> None:
        self._shift = bytes((value + smallest) % 256 for value in range(256))

    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        if len(arrays) != 1:
            raise CorruptObject("a block has one array")
        return bytes(arrays[0].data).translate(self._shift)


class XorUpdate(Update):
    """Bytes xor those of any base, as far as it goes."""

    name = "xor-any"
    base = "any"

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        assert base is not None
        return _XorCoder()

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        return _XorDecoder()


class _XorCoder(Coder):
    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        return (Array(1, _xor(block, base_block)),)


class _XorDecoder(Decoder):
    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        if len(arrays) != 1:
            raise CorruptObject("a block has one array")
        return _xor(arrays[0].data, base_block)


def _xor(block: Buffer, other: Buffer) -> bytes:
    beside = bytes(other[: len(block)]).ljust(len(block), b"\0")
    size = len(block)
    return (int.from_bytes(block, "little") ^ int.from_bytes(beside, "little")).to_bytes(size, "little")
