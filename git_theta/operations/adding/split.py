"""A file split into parts: the tensors a format finds, and what lies between them.

Layouts come from a source, since a zip has its directory at the end and a stream has no end to look at. What the format
read in the source must also be what the stream holds (``Expectation``), or the layout says nothing about the stream:
then the bytes are taken back out of the store, and split once more from a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from git_theta.errors import ManifestError
from git_theta.formats.base import Span
from git_theta.formats.base import SpanView as SpanView
from git_theta.formats.detect import OPAQUE, Detection, detect_format
from git_theta.manifest.model import Manifest, View
from git_theta.manifest.text import encode_manifest
from git_theta.operations.adding.manifest_builder import ManifestBuilder
from git_theta.operations.adding.part_writer import PartLabel
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.operations.streams import BytesSource, ExpectedReads, FileSource, Stream, TracedSource
from git_theta.tensors.arrays import Buffer


def split_stream(stream: Stream, path: str, source: BytesSource | FileSource, context: Context) -> Manifest:
    """The manifest of the stream's bytes, which the source most likely has too; their parts are in the store."""
    traced = TracedSource(source)
    found = detect_format(traced, stream.head, path)
    stream.expected = ExpectedReads(traced.reads)
    manifest = _lay_out(stream, found, source, context, path)
    if not stream.matches_expected or stream.offset != source.size:
        return split_spooled(restore_pieces(manifest, context), path, context)
    for warning in found.warnings:
        context.warn(f"{path}: {warning}")
    return manifest


def split_spooled(pieces: Iterable[Buffer], path: str, context: Context) -> Manifest:
    """Split bytes that no file has: write them into one first."""
    import tempfile  # with what it imports, 5 ms: for once in a long while

    context.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=context.scratch, prefix="spool-") as spool:
        for piece in pieces:
            spool.write(piece)
        spool.flush()
        source = FileSource(context.scratch / spool.name)
        try:
            return split_stream(Stream.from_pieces(source.prefix(source.size)), path, source, context)
        finally:
            source.close()


def encode_split(manifest: Manifest, path: str, context: Context) -> bytes:
    """The text of a file that was split. Where no manifest can hold its parts, the file is kept whole."""
    try:
        return encode_manifest(manifest)
    except ManifestError as error:
        if manifest.format == OPAQUE:
            raise
        context.warn(f"{path}: kept whole, not by parameters: {error.message}")
    whole = ManifestBuilder(context, None)
    whole.add_literal(Stream.from_pieces(restore_pieces(manifest, context)), None)
    return encode_manifest(whole.build_manifest(OPAQUE))


def _lay_out(
    stream: Stream, found: Detection, source: BytesSource | FileSource, context: Context, path: str
) -> Manifest:
    layout = ManifestBuilder(context, context.staged_manifest(path))
    for span in found.spans:
        layout.add_literal(stream, span.offset - stream.offset)
        layout.add_tensor(_label_of(span), stream, span.size, source.read)
    layout.add_literal(stream, None)
    return layout.build_manifest(found.format)


def _label_of(span: Span) -> PartLabel:
    spec = span.spec
    return PartLabel(span.name, spec.dtype.name, spec.shape, tuple(map(_manifest_view, span.views)), spec.dtype.width)


def _manifest_view(view: SpanView) -> View:
    return View(view.name, view.spec.dtype.name, view.spec.shape, view.stride, view.offset)
