"""Tensors to merge, without a store: bytes that are read in pieces, and the numbers that they stand for."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator, Sequence

from git_theta.merging.base import Operand
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.testing.blocks import weight_bytes

DTYPES = ("F64", "F32", "F16", "BF16")
"""What :func:`pack` knows."""
EPSILON = {"F64": 2.0**-52, "F32": 2.0**-23, "F16": 2.0**-10, "BF16": 2.0**-7}
"""From 1 to the next number."""
SMALLEST = {"F64": 2.0**-1022, "F32": 2.0**-126, "F16": 2.0**-14, "BF16": 2.0**-126}
"""The smallest number that is not subnormal."""
_CODES = {"F64": "d", "F32": "f", "F16": "e"}


class InMemory(Operand):
    """A tensor in memory.

    Args:
        data: its values, little-endian and row-major.
        spec: dtype and shape.
        piece: elements of a piece in which it is read; pieces without any lie in between. 0 for all at once.

    Attributes:
        taken: bytes that the last reader has taken so far.
    """

    def __init__(self, data: bytes, spec: Spec, piece: int = 0) -> None:
        self.data, self.spec, self.oid = data, spec, hashlib.sha256(data).hexdigest()
        self.taken = 0
        self._step = (piece or len(data) or 1) * spec.dtype.bits // 8

    def blocks(self) -> Iterator[Buffer]:
        self.taken = 0
        for start in range(0, len(self.data), self._step):
            piece = self.data[start : start + self._step]
            self.taken += len(piece)
            yield piece
            yield b""


class Unreadable(InMemory):
    """A tensor that ids alone must settle (L8)."""

    def blocks(self) -> Iterator[Buffer]:
        raise AssertionError(f"{self.oid[:8]} was read, and ids could decide")


def operand(values: Sequence[float], dtype: str = "F32", shape: tuple[int, ...] | None = None) -> InMemory:
    """Numbers as a tensor of that dtype; 1-D unless a shape is given."""
    shape = (len(values),) if shape is None else shape
    return InMemory(pack(values, dtype), Spec(BY_NAME[dtype], shape))


def fine(count: int, seed: int) -> list[float]:
    """Numbers like those of trained weights, exact in fp32."""
    return unpack(weight_bytes(4 * count, seed), "F32")


def coarse(count: int, seed: int) -> list[float]:
    """Multiples of a half in [-2, 2]: many are equal, many are 0, and many cancel."""
    generator = random.Random(seed)
    return [generator.randint(-4, 4) / 2 for _ in range(count)]


def pack(values: Sequence[float], dtype: str) -> bytes:
    """Numbers as stored; to bf16 they are cut, not rounded."""
    if dtype == "BF16":
        whole = pack(values, "F32")
        return b"".join(whole[at : at + 2] for at in range(2, len(whole), 4))
    return struct.pack(f"<{len(values)}{_CODES[dtype]}", *values)


def unpack(data: bytes, dtype: str) -> list[float]:
    """The numbers that stored bytes stand for."""
    if dtype == "BF16":
        return unpack(b"".join(b"\0\0" + data[at : at + 2] for at in range(0, len(data), 2)), "F32")
    code = _CODES[dtype]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))
