"""Blocks of known length one after the other: a 4-byte little-endian length, then that many bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload
from git_theta.tensors.arrays import BLOCK, Buffer

MAX_STORED_BLOCK = 4 * BLOCK
"""No block grows beyond this: what an update adds to a block's bytes is small."""


def prefix_lengths(bodies: Iterable[bytes]) -> Iterator[Buffer]:
    """Each body with its length before it."""
    for body in bodies:
        yield len(body).to_bytes(4, "little")
        yield body


def read_bodies(payload: Payload) -> Iterator[bytes]:
    """The bodies of a payload. Raises CorruptObject when the lengths do not add up."""
    while payload.left:
        length = int.from_bytes(payload.read_exactly(4), "little")
        if length > MAX_STORED_BLOCK:
            raise CorruptObject(f"a stored block claims {length} bytes")
        yield payload.read_exactly(length)
