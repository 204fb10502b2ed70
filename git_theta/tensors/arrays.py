"""What updates and serializers pass each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

Buffer = bytes | bytearray | memoryview

BLOCK = 512 << 10
"""Bytes of a tensor that are encoded together: a block. Large enough for zstd, small enough for a core's cache."""

T = TypeVar("T")
R = TypeVar("R")


class Parallel(Protocol):
    """``map``, perhaps on several threads: results in order, a bounded number of them ahead."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """``function(item)`` for each item."""
        ...


class Array(NamedTuple):
    """Little-endian values: bytes per element, and the bytes. A block of a tensor becomes one or more of these."""

    width: int
    data: Buffer


Arrays = tuple[Array, ...]
