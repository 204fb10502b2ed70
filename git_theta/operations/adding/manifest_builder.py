"""A manifest as it grows, in file order: literal runs, parts, and chunks of what is too long to be literal."""

from __future__ import annotations

from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.adding.content_chunks import cut_chunks
from git_theta.operations.adding.part_writer import PartLabel, PartWriter, Reread
from git_theta.operations.context import Context
from git_theta.operations.streams import Stream

LARGEST_LITERAL = 64 << 10
"""Bytes between two tensors up to which they stay in the frame; more become parts of their own, in chunks."""
_LARGEST_FRAME = 32 << 20


class ManifestBuilder:
    """One file. Call ``between`` before every part, and once after the last."""

    def __init__(self, context: Context, prior: Manifest | None) -> None:
        self._deposit = PartWriter(context, prior)
        self._runs: list[bytes] = []
        self._frame_size = 0
        self._size = 0

    def add_literal(self, stream: Stream, size: int | None) -> None:
        """The next ``size`` bytes of the stream (None: all that are left): no tensor's."""
        limit = LARGEST_LITERAL if self._frame_size < _LARGEST_FRAME else 0
        taken = stream.take(limit + 1 if size is None else min(size, limit + 1))
        if len(taken) <= limit:
            self._add_run(bytes(taken))
            return
        for chunk in cut_chunks(taken, stream, None if size is None else size - len(taken)):
            self._add_run(b"")
            self._size += len(chunk)
            self._deposit.add(PartLabel(), chunk)
        self._add_run(b"")

    def add_tensor(self, label: PartLabel, stream: Stream, size: int, reread: Reread) -> None:
        """The next ``size`` bytes of the stream: a tensor's."""
        before = stream.offset
        self._deposit.add_stream(label, stream, size, reread)
        self._size += stream.offset - before

    def add_stored(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._deposit.add_stored(entry)
        self._size += entry.size

    def build_manifest(self, format_name: str) -> Manifest:
        """The whole file; all of it is durable now (L5)."""
        whole = frame.encode_frame(self._runs)
        if whole:
            self._deposit.add(PartLabel(), whole)
        entries = self._deposit.entries()
        frame_entry = entries.pop() if whole else None
        return Manifest(format_name, self._size, tuple(entries), frame_entry)

    def _add_run(self, literal: bytes) -> None:
        self._runs.append(literal)
        self._frame_size += len(literal) + 8
        self._size += len(literal)
