"""Smudge: a manifest in, the checkpoint's bytes out; anything else passes through untouched, with a word about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, is_manifest
from git_theta.operations import foreign
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import describe_inflation, is_inflated, require_objects, restore_pieces
from git_theta.operations.streams import Stream
from git_theta.tensors.arrays import Buffer


class SmudgeResult(NamedTuple):
    """What stands for a blob in the worktree.

    Attributes:
        pieces: its bytes; what is wrong with them is raised while they are taken.
        manifest, text: the blob itself, when it is a manifest of ours whose objects are all here.
    """

    pieces: Iterator[Buffer]
    manifest: Manifest | None = None
    text: bytes = b""


def smudge_stream(stream: Stream, path: str, context: Context) -> SmudgeResult:
    """What to check out for the blob that ``stream`` holds. The stream is read to its end before this returns.

    Raises MissingObject when a manifest's objects are not here and cannot be fetched.
    """
    if not is_manifest(stream.head):
        return _pass_through(stream, path, context)
    text = b"".join(stream.take_rest())
    try:
        manifest = decode_manifest(text)
    except ManifestError:
        return _pass_through(Stream.from_pieces([text]), path, context)
    if is_inflated(manifest, context):
        context.warn(f"{path}: {describe_inflation(manifest)}. If it is meant: git theta checkout {path}")
        return SmudgeResult(iter([text]))
    require_objects(manifest, context)
    return SmudgeResult(restore_pieces(manifest, context), manifest, text)


def _pass_through(stream: Stream, path: str, context: Context) -> SmudgeResult:
    """A blob that is no manifest of ours, as it is, after saying what it is."""
    if not stream.head:
        return SmudgeResult(iter(()))
    found = foreign.describe_blob(stream.head, path)
    context.warn(f"{path}: {found.what}; checked out as it is. {found.hint}")
    return SmudgeResult(copy_stream(stream, context))


def copy_stream(stream: Stream, context: Context) -> Iterator[Buffer]:
    """The stream's own bytes. Git reads no answer before it has sent everything, so what is long is spooled."""
    if stream.is_short:
        yield stream.head
        return
    import tempfile  # with what it imports, 5 ms: for what is not ours to smudge

    context.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=context.scratch) as spool:
        spool.writelines(stream.take_rest())
        spool.seek(0)
        yield from iter(lambda: spool.read(1 << 20), b"")
