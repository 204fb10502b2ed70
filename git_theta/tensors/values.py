"""Values: a tensor whose bytes can be read again. What clean, updates, merges, diffs and the API read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.spec import Spec


class Values(Protocol):
    """The packed, little-endian bytes of one tensor.

    Law: every reading gives the same bytes, ``size`` of them; where that cannot be, it raises. A run of bytes that is
    no tensor has the spec ``U8 [size]``.
    """

    @property
    def spec(self) -> Spec:
        """The dtype and shape."""
        ...

    @property
    def size(self) -> int:
        """Bytes of all blocks together."""
        ...

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """The bytes from block number ``first`` on: BLOCK bytes each, the last one shorter; any number of times."""
        ...


class MemoryValues:
    """Values in memory."""

    def __init__(self, spec: Spec, data: Buffer) -> None:
        self.spec = spec
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says; views of the data, which is not copied."""
        return (self._data[start : start + BLOCK] for start in range(first * BLOCK, self.size, BLOCK))
