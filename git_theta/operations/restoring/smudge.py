"""Smudge: a manifest in, the checkpoint's bytes out; anything else passes through untouched, with a word about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import is_manifest, loads
from git_theta.operations import foreign
from git_theta.operations.context import Desk
from git_theta.operations.restoring.restore import require_objects, restored
from git_theta.operations.streams import Stream
from git_theta.tensors.arrays import Buffer


class Smudged(NamedTuple):
    """What stands for a blob in the worktree.

    Attributes:
        pieces: its bytes; what is wrong with them is raised while they are taken.
        manifest, text: the blob itself, when it is a manifest of ours whose objects are all here.
    """

    pieces: Iterator[Buffer]
    manifest: Manifest | None = None
    text: bytes = b""


def smudge(stream: Stream, path: str, desk: Desk) -> Smudged:
    """What to check out for the blob that ``stream`` holds. The stream is read to its end before this returns.

    Raises MissingObject when a manifest's objects are not here and cannot be fetched.
    """
    if not is_manifest(stream.head):
        return _passed(stream, path, desk)
    text = b"".join(stream.rest())
    try:
        manifest = loads(text)
    except ManifestError:
        return _passed(Stream.of([text]), path, desk)
    require_objects(manifest, desk)
    return Smudged(restored(manifest, desk), manifest, text)


def _passed(stream: Stream, path: str, desk: Desk) -> Smudged:
    """A blob that is no manifest of ours, as it is, after saying what it is."""
    if not stream.head:
        return Smudged(iter(()))
    found = foreign.explain(stream.head, path)
    desk.warn(f"{path}: {found.what}; checked out as it is. {found.hint}")
    return Smudged(as_it_is(stream, desk))


def as_it_is(stream: Stream, desk: Desk) -> Iterator[Buffer]:
    """The stream's own bytes. Git reads no answer before it has sent everything, so what is long is spooled."""
    if stream.is_short:
        yield stream.head
        return
    import tempfile  # with what it imports, 5 ms: for what is not ours to smudge

    desk.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=desk.scratch) as spool:
        spool.writelines(stream.rest())
        spool.seek(0)
        yield from iter(lambda: spool.read(1 << 20), b"")
