"""The frame: every byte of a file that is part of no entry, kept verbatim (normative: docs/spec/objects.md).

A file of n parts has n + 1 runs of literal bytes: before each part, and after the last. The frame is those runs in
order, each as an 8-byte little-endian length and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.errors import CorruptObject


def encode_frame(runs: Iterable[bytes]) -> bytes:
    """The frame of these runs; empty when no run has a byte."""
    held = list(runs)
    return b"".join(len(run).to_bytes(8, "little") + run for run in held) if any(held) else b""


def literal_size(size: int, parts: int) -> int:
    """How many of the bytes of a frame of ``size`` bytes are the file's own."""
    return size - 8 * (parts + 1)


def decode_frame(frame: bytes, parts: int) -> Iterator[bytes]:
    """The ``parts + 1`` runs of a frame. Raises CorruptObject when it holds others than these."""
    at = 0
    for left in range(parts, -1, -1):
        size = int.from_bytes(frame[at : at + 8], "little")
        run = frame[at + 8 : at + 8 + size]
        at += 8 + size
        if at > len(frame):
            raise CorruptObject("the frame is shorter than its manifest needs")
        if not left and at < len(frame):
            raise CorruptObject("the frame is longer than its manifest needs")
        yield run
