"""Smudge: a manifest in, the checkpoint's bytes out; anything else passes through untouched, with a word about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_theta.errors import ManifestError, MissingObject, PluginError, ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.near_manifest import read_near_manifest, resembles_manifest
from git_theta.operations import foreign
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import describe_inflation, is_inflated, require_objects, restore_pieces
from git_theta.operations.streams import Stream
from git_theta.tensors.arrays import Buffer

_SKIP_SMUDGE_HINT = """\
To get everything else meanwhile, in a new clone: GIT_THETA_SKIP_SMUDGE=1 git reset --hard
Elsewhere: GIT_THETA_SKIP_SMUDGE=1 git restore :/, then the command again, with GIT_THETA_SKIP_SMUDGE=1, too"""
"""Not the ``git restore --source=HEAD :/`` that Git names: it leaves a new clone without an index."""


class SmudgeResult(NamedTuple):
    """What stands for a blob in the worktree.

    Attributes:
        pieces: its bytes; what is wrong with them is raised while they are taken.
        manifest, text: the blob itself, when it is a manifest of ours whose objects are all here.
    """

    pieces: Iterator[Buffer]
    manifest: Manifest | None = None
    text: bytes = b""


def smudge_stream(
    stream: Stream,
    path: str,
    context: Context,
    *,
    must_answer: bool = False,
    report_missing: Callable[[MissingObject | PluginError], None] | None = None,
) -> SmudgeResult:
    """What to check out for the blob that ``stream`` holds. The stream is read to its end before this returns.

    ``must_answer``: whoever asks has taken the old file away already, and what could not be had would leave none: then
    the manifest is answered, and the person told.

    ``report_missing``: told of objects that are not here and cannot be fetched, and of plug-ins that are not here; the
    manifest is answered then.

    Raises MissingObject or PluginError, where nobody is told, when a manifest's objects are not here and cannot be
    fetched, or the plug-ins that read them are not here.
    """
    if not resembles_manifest(stream.head):
        return _pass_through(stream, path, context)
    given = b"".join(stream.take_rest())
    try:
        manifest, text = read_near_manifest(given)
    except ManifestError:
        return _pass_through(Stream.from_pieces([given]), path, context)
    if is_inflated(manifest, context):
        context.warn(f"{path}: {describe_inflation(manifest)}. If it is meant: git theta checkout {path}")
        return SmudgeResult(iter([text]))
    if text != given:
        context.warn(f"{path}: Git has converted its manifest, which was put right. See: git theta doctor")
    if must_answer:
        return SmudgeResult(_restore_or_keep(manifest, text, path, context), manifest, text)
    try:
        require_objects(manifest, context)
    except (MissingObject, PluginError) as error:
        if report_missing is None:
            error.hint = f"{error.hint}\n{_SKIP_SMUDGE_HINT}"
            raise
        report_missing(error)
        return SmudgeResult(iter([text]))
    return SmudgeResult(restore_pieces(manifest, context), manifest, text)


def _restore_or_keep(manifest: Manifest, text: bytes, path: str, context: Context) -> Iterator[Buffer]:
    """The file, all of which is there before the first piece is answered; its manifest where it cannot be had."""
    try:
        require_objects(manifest, context)
        pieces = copy_stream(Stream.from_pieces(restore_pieces(manifest, context)), context)
        first = next(pieces, b"")
    except (ThetaError, OSError) as error:
        context.warn(
            f"{path} could not be restored, and its manifest stands in its place: {error}\n"
            "It names all of the file. When what it lacks is here: git theta checkout"
        )
        yield text
        return
    yield first
    yield from pieces


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
