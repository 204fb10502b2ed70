"""A manifest as it grows, in file order: literal runs, parts, and chunks of what is too long to be literal."""

from __future__ import annotations

from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.adding.content_chunks import cut_chunks
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.streams import RandomAccess, SourceValues
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values

LARGEST_LITERAL = 64 << 10
"""Bytes between two tensors up to which they stay in the frame; more become parts of their own, in chunks."""
_LARGEST_FRAME = 32 << 20


class ManifestBuilder:
    """One file. Call ``add_literal`` before every part, and once after the last."""

    def __init__(self, context: Context, known: KnownParts, bases: UpdateBases | None = None) -> None:
        self._writer = PartWriter(context, known, bases)
        self._runs: list[bytes] = []
        self._frame_size = 0
        self._size = 0

    def add_literal(self, source: RandomAccess, start: int, end: int) -> None:
        """The bytes of the source from ``start`` to ``end``: no tensor's."""
        if end - start <= (LARGEST_LITERAL if self._frame_size < _LARGEST_FRAME else 0):
            self._add_run(source.read(start, end - start))
            return
        for offset, size in cut_chunks(source, start, end):
            self._add_run(b"")
            self.add_part(PartLabel(), SourceValues(_spec_of_bytes(size), size, source, offset))
        self._add_run(b"")

    def add_part(self, label: PartLabel, values: Values) -> None:
        """The next part."""
        self._writer.add(label, values)
        self._size += values.size

    def add_stored(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._writer.add_stored(entry)
        self._size += entry.size

    def build_manifest(self, format_name: str) -> Manifest:
        """The whole file; all of it is durable now (L5)."""
        whole = frame.encode_frame(self._runs)
        if whole:
            self._writer.add(PartLabel(), MemoryValues(_spec_of_bytes(len(whole)), whole))
        entries = self._writer.entries()
        frame_entry = entries.pop() if whole else None
        return Manifest(format_name, self._size, tuple(entries), frame_entry)

    def close(self) -> None:
        """Nobody works for us any more when this returns."""
        self._writer.close()

    def _add_run(self, literal: bytes) -> None:
        self._runs.append(literal)
        self._frame_size += len(literal) + 8
        self._size += len(literal)


def _spec_of_bytes(size: int) -> Spec:
    return Spec(BY_NAME["U8"], (size,))
