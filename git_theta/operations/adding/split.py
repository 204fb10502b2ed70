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
from git_theta.operations.adding.manifest_builder import Layout
from git_theta.operations.adding.part_writer import Label
from git_theta.operations.context import Desk
from git_theta.operations.restoring.restore import restored
from git_theta.operations.streams import BytesSource, Expectation, FileSource, Stream, Traced
from git_theta.tensors.arrays import Buffer


def split(stream: Stream, path: str, source: BytesSource | FileSource, desk: Desk) -> Manifest:
    """The manifest of the stream's bytes, which the source most likely has too; their parts are in the store."""
    traced = Traced(source)
    found = spans_of(traced, stream.head, path)
    stream.expected = Expectation(traced.reads)
    manifest = _laid_out(stream, found, source, desk, path)
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


def _laid_out(stream: Stream, found: Found, source: BytesSource | FileSource, desk: Desk, path: str) -> Manifest:
    layout = Layout(desk, desk.prior(path))
    for span in found.spans:
        layout.between(stream, span.offset - stream.offset)
        layout.part(_label(span), stream, span.size, source.read)
    layout.between(stream, None)
    return layout.manifest(found.format)


def _label(span: Span) -> Label:
    spec = span.spec
    return Label(span.name, spec.dtype.name, spec.shape, tuple(map(_view, span.views)), spec.dtype.width)


def _view(view: SpanView) -> View:
    return View(view.name, view.spec.dtype.name, view.spec.shape, view.stride, view.offset)
