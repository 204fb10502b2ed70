"""Clean: the bytes of a checkpoint in, what Git shall hold for it out.

The path data takes: Git's stream -> its head -> which spans (formats) -> parts in file order -> workers hash each one;
known ones are done; new ones are encoded and put into the store -> manifest. No byte is read twice, but for a large
part that starts as the known one of its name does and then differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations import foreign
from git_theta.operations.adding.clean_cache import clean_cached
from git_theta.operations.adding.split import encode_split, split_spooled, split_stream
from git_theta.operations.context import Context
from git_theta.operations.streams import BytesSource, Stream, open_file_source
from git_theta.tensors.arrays import Buffer


def clean_stream(stream: Stream, path: str, worktree: Path | None, context: Context) -> bytes:
    """What Git shall hold for a file: its manifest, or the bytes themselves where they stand for something already.

    Args:
        stream: the file's bytes, from Git.
        path: the file, relative to the worktree.
        worktree: top of the checked-out files. The file there may have the same bytes: that helps, but need not be.
        context: what to work with.

    Everything that the manifest names is durable when this returns (L5). Raises StoreError, ChangedFile.
    """
    if not stream.head:  # Git looks anew, at every status, at a file that has no bytes and whose blob has some
        return b""
    if is_manifest(stream.head) or stream.is_short:
        text = b"".join(_take_limited(stream, MAX_MANIFEST))
        if len(text) <= MAX_MANIFEST and _passes_through(text, path, context):
            return text
        stream = Stream.from_pieces([text], then=stream)
    if stream.is_short:
        return encode_split(split_stream(stream, path, BytesSource(stream.head), context), path, context)
    source = open_file_source(worktree / path) if worktree else None
    if source is None:
        return encode_split(split_spooled(stream.take_rest(), path, context), path, context)
    try:
        return clean_cached(stream, path, source, context)
    finally:
        source.close()


def _take_limited(stream: Stream, limit: int) -> Iterator[Buffer]:
    while stream.offset <= limit and (block := stream.take(1 << 20)):
        yield block


def _passes_through(text: bytes, path: str, context: Context) -> bool:
    """Whether a file's whole text is what Git shall hold: a manifest, or what stands for a file kept elsewhere."""
    if found := foreign.detect_pointer(text):
        context.warn(f"{path}: {found.what}, kept as it is. {found.hint}")
        return True
    if not is_manifest(text):
        return False
    try:
        decode_manifest(text)
    except ManifestError as error:  # stored like a checkpoint, fsck would have nothing to say about it any more
        context.warn(f"{path}: {error.message}, kept as it is. {error.hint}")
    return True
