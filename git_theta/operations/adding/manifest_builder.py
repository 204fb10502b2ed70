"""A manifest as it grows, in file order: literal runs, parts, and chunks of what is too long to be literal."""

from __future__ import annotations

from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.adding.content_chunks import chunks
from git_theta.operations.adding.part_writer import Deposit, Label, Reread
from git_theta.operations.context import Desk
from git_theta.operations.streams import Stream

LITERAL = 64 << 10
"""Bytes between two tensors up to which they stay in the frame; more become parts of their own, in chunks."""
_LARGEST_FRAME = 32 << 20


class Layout:
    """One file. Call ``between`` before every part, and once after the last."""

    def __init__(self, desk: Desk, prior: Manifest | None) -> None:
        self._deposit = Deposit(desk, prior)
        self._runs: list[bytes] = []
        self._framed = 0
        self._size = 0

    def between(self, stream: Stream, size: int | None) -> None:
        """The next ``size`` bytes of the stream (None: all that are left): no tensor's."""
        limit = LITERAL if self._framed < _LARGEST_FRAME else 0
        taken = stream.take(limit + 1 if size is None else min(size, limit + 1))
        if len(taken) <= limit:
            self._run(bytes(taken))
            return
        for chunk in chunks(taken, stream, None if size is None else size - len(taken)):
            self._run(b"")
            self._size += len(chunk)
            self._deposit.add(Label(), chunk)
        self._run(b"")

    def part(self, label: Label, stream: Stream, size: int, reread: Reread) -> None:
        """The next ``size`` bytes of the stream: a tensor's."""
        before = stream.offset
        self._deposit.take(label, stream, size, reread)
        self._size += stream.offset - before

    def keep(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._deposit.keep(entry)
        self._size += entry.size

    def manifest(self, format_name: str) -> Manifest:
        """The whole file; all of it is durable now (L5)."""
        whole = frame.encode(self._runs)
        if whole:
            self._deposit.add(Label(), whole)
        entries = self._deposit.entries()
        frame_entry = entries.pop() if whole else None
        return Manifest(format_name, self._size, tuple(entries), frame_entry)

    def _run(self, literal: bytes) -> None:
        self._runs.append(literal)
        self._framed += len(literal) + 8
        self._size += len(literal)
