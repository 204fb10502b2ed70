"""The seam between what walks a history and what becomes of its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from git_theta.tensors.arrays import Buffer


class ConvertedBlob(NamedTuple):
    """What Git is to hold instead of a blob: so many bytes, in pieces that are taken once."""

    size: int
    pieces: Iterable[Buffer]


class BlobConversion(Protocol):
    """What becomes of a version of a file.

    Law: which file the answer stands for follows from path and blob alone, whatever was asked before.
    """

    def convert(self, path: bytes, blob: bytes) -> ConvertedBlob | None:
        """What is to stand at ``path`` instead of ``blob``; None: it stays. What it names elsewhere is durable (L5)."""
        ...
