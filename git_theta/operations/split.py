"""A file split into parts: the tensors a format finds, and what lies between them.

Layouts come from a source, since a zip has its directory at the end and a stream has no end to look at. What the format
read in the source must also be what the stream holds (``Expectation``), or the layout says nothing about the stream:
then the bytes are taken back out of the store, and split once more from a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.formats.base import Span
from git_theta.formats.base import View as SpanView
from git_theta.formats.detect import Found, spans_of
from git_theta.manifest.model import Manifest, View
from git_theta.operations import frame
from git_theta.operations.chunks import chunks
from git_theta.operations.content import BytesSource, Expectation, FileSource, Stream, Traced
from git_theta.operations.deposit import Deposit, Label
from git_theta.operations.desk import Desk
from git_theta.operations.restore import restored
from git_theta.tensors.arrays import Buffer

LITERAL = 64 << 10
"""Bytes between two tensors up to which they stay in the frame; more become parts of their own, in chunks."""
_LARGEST_FRAME = 32 << 20


def split(stream: Stream, path: str, source: BytesSource | FileSource, desk: Desk) -> Manifest:
    """The manifest of the stream's bytes, which the source most likely has too; their parts are in the store."""
    traced = Traced(source)
    found = spans_of(traced, stream.head, path)
    stream.expected = Expectation(traced.reads)
    manifest = _Splitting(stream, source, desk, path).manifest(found)
    if not stream.as_expected or stream.offset != source.size:
        return split_on_disk(restored(manifest, desk), path, desk)
    if found.problem:
        desk.warn(f"{path}: kept whole, not by parameters: {found.problem}")
    return manifest


def split_on_disk(pieces: Iterable[Buffer], path: str, desk: Desk) -> Manifest:
    """Split bytes that no file has: write them into one first."""
    import tempfile  # with what it imports, 5 ms: for once in a long while

    desk.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=desk.scratch, prefix="spool-") as spool:
        for piece in pieces:
            spool.write(piece)
        spool.flush()
        source = FileSource(desk.scratch / spool.name)
        try:
            return split(Stream.of(source.prefix(source.size)), path, source, desk)
        finally:
            source.close()


class _Splitting:
    """One pass over a stream."""

    def __init__(self, stream: Stream, source: BytesSource | FileSource, desk: Desk, path: str) -> None:
        self._stream = stream
        self._source = source
        self._deposit = Deposit(desk, desk.prior(path))
        self._runs: list[bytes] = []
        self._framed = 0

    def manifest(self, found: Found) -> Manifest:
        """Parts and runs in file order, then the frame of the runs."""
        for span in found.spans:
            self._between(span.offset - self._stream.offset)
            self._deposit.take(_label(span), self._stream, span.size, self._source.read)
        self._between(None)
        whole = frame.encode(self._runs)
        if whole:
            self._deposit.add(Label(), whole)
        entries = self._deposit.entries()
        frame_entry = entries.pop() if whole else None
        return Manifest(found.format, self._stream.offset, tuple(entries), frame_entry)

    def _between(self, size: int | None) -> None:
        """The next ``size`` bytes (None: all that are left), which are no tensor's: a run, or chunks between runs."""
        limit = LITERAL if self._framed < _LARGEST_FRAME else 0
        taken = self._stream.take(limit + 1 if size is None else min(size, limit + 1))
        if len(taken) <= limit:
            self._run(bytes(taken))
            return
        for chunk in chunks(taken, self._stream, None if size is None else size - len(taken)):
            self._run(b"")
            self._deposit.add(Label(), chunk)
        self._run(b"")

    def _run(self, literal: bytes) -> None:
        self._runs.append(literal)
        self._framed += len(literal) + 8


def _label(span: Span) -> Label:
    spec = span.spec
    return Label(span.name, spec.dtype.name, spec.shape, tuple(map(_view, span.views)), spec.dtype.width)


def _view(view: SpanView) -> View:
    return View(view.name, view.spec.dtype.name, view.spec.shape, view.stride, view.offset)
