"""Clean: the bytes of a checkpoint in, what Git shall hold for it out.

The path data takes: Git's stream is compared with the worktree's file, which meanwhile is split -> which spans
(formats) -> parts in file order -> workers hash each one; known ones are done; new ones are encoded and put into the
store -> manifest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations import foreign
from git_theta.operations.adding.clean_cache import recall_split
from git_theta.operations.adding.proving import compare_stream, require_unchanged, run_beside, stat_at_rest
from git_theta.operations.adding.split import SplitFile, split_source
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.context import Context
from git_theta.operations.streams import BytesSource, FileSource, RandomAccess, Stream, open_file_source
from git_theta.tensors.arrays import Buffer


def clean_stream(stream: Stream, path: str, worktree: Path | None, context: Context, *, keep: bool = True) -> bytes:
    """What Git shall hold for a file: its manifest, or the bytes themselves where they stand for something already.

    Args:
        stream: the file's bytes, from Git.
        path: the file, relative to the worktree.
        worktree: top of the checked-out files. The file there may have the same bytes: that helps, but need not be.
        context: what to work with.
        keep: everything that the manifest names is durable when this returns (L5). Without it nothing is stored that
            changed: the answer tells whether the file did, and must go nowhere.

    Raises StoreError, ChangedFile.
    """
    if not stream.head:  # Git looks anew, at every status, at a file that has no bytes and whose blob has some
        return b""
    if is_manifest(stream.head) or stream.is_short:
        text = b"".join(_take_limited(stream, MAX_MANIFEST))
        if len(text) <= MAX_MANIFEST and _passes_through(text, path, context):
            return text
        stream = Stream.from_pieces([text], then=stream)
    split = partial(split_source, path=path, context=context, keep=keep)
    if stream.is_short:
        found = split(BytesSource(stream.head))
    elif worktree and (source := open_file_source(worktree / path)):
        with closing(source):
            found = _split_proven(stream, source, path, context, split)
    else:
        with spool_pieces(stream.take_rest(), context.scratch) as spool:
            found = split(spool)
    for warning in found.warnings:
        context.warn(f"{path}: {warning}")
    return found.text


def _split_proven(
    stream: Stream, source: FileSource, path: str, context: Context, split: Callable[[RandomAccess], SplitFile]
) -> SplitFile:
    """The worktree's file, recalled or split, where the stream has the same bytes; else the stream, by a spool."""
    described, started = stat_at_rest(source), time.time()
    if described is None:
        with spool_pieces(stream.take_rest(), context.scratch) as spool:
            return split(spool)
    with run_beside(
        lambda: (context.pins_layout and recall_split(path, source, context)) or split(source), source.halt
    ) as result:
        differing = compare_stream(stream, source)
        if differing is None:
            found = result()
            require_unchanged(described, source)
            if found.is_new:
                context.state.remember_clean(source.path, described, started, found.text)
            return found
    with spool_pieces(differing, context.scratch) as spool:
        require_unchanged(described, source)
        return split(spool)


def _recall_nothing(path: str, source: FileSource, context: Context) -> None:
    """What is remembered has the layout that the file had."""


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
