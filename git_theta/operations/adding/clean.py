"""Clean: the bytes of a checkpoint in, what Git shall hold for it out.

The path data takes: Git's stream -> its head -> which spans (formats) -> parts in file order -> workers hash each one;
known ones are done; new ones are encoded and put into the store -> manifest. No byte is read twice, but for a large
part that starts as the known one of its name does and then differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.text import LARGEST, dumps, is_manifest, loads
from git_theta.operations import foreign
from git_theta.operations.adding.clean_cache import recalled
from git_theta.operations.adding.split import split, split_on_disk
from git_theta.operations.context import Desk
from git_theta.operations.streams import BytesSource, Stream, file_source
from git_theta.tensors.arrays import Buffer


def clean(stream: Stream, path: str, worktree: Path | None, desk: Desk) -> bytes:
    """What Git shall hold for a file: its manifest, or the bytes themselves where they stand for something already.

    Args:
        stream: the file's bytes, from Git.
        path: the file, relative to the worktree.
        worktree: top of the checked-out files. The file there may have the same bytes: that helps, but need not be.
        desk: what to work with.

    Everything that the manifest names is durable when this returns (L5). Raises StoreError, ChangedFile.
    """
    if not stream.head:  # Git looks anew, at every status, at a file that has no bytes and whose blob has some
        return b""
    if is_manifest(stream.head) or stream.is_short:
        text = b"".join(_limited(stream, LARGEST))
        if len(text) <= LARGEST and _passes_through(text, path, desk):
            return text
        stream = Stream.of([text], then=stream)
    if stream.is_short:
        return dumps(split(stream, path, BytesSource(stream.head), desk))
    source = file_source(worktree / path) if worktree else None
    if source is None:
        return dumps(split_on_disk(stream.rest(), path, desk))
    try:
        return recalled(stream, path, source, desk)
    finally:
        source.close()


def _limited(stream: Stream, limit: int) -> Iterator[Buffer]:
    while stream.offset <= limit and (block := stream.take(1 << 20)):
        yield block


def _passes_through(text: bytes, path: str, desk: Desk) -> bool:
    """Whether a file's whole text is what Git shall hold: a manifest, or what stands for a file kept elsewhere."""
    if found := foreign.pointer(text):
        desk.warn(f"{path}: {found.what}, kept as it is. {found.hint}")
        return True
    if not is_manifest(text):
        return False
    try:
        loads(text)
    except ManifestError as error:  # stored like a checkpoint, fsck would have nothing to say about it any more
        desk.warn(f"{path}: {error.message}, kept as it is. {error.hint}")
    return True
