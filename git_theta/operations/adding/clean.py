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
from typing import NamedTuple

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.near_manifest import read_near_manifest, resembles_manifest
from git_theta.manifest.text import MAX_MANIFEST
from git_theta.operations import foreign
from git_theta.operations.adding.clean_cache import recall_split
from git_theta.operations.adding.committed_raw import pass_committed_raw
from git_theta.operations.adding.proving import compare_stream, require_unchanged, run_beside, stat_at_rest
from git_theta.operations.adding.split import SplitFile, split_source
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.context import Context
from git_theta.operations.streams import BytesSource, FileSource, RandomAccess, Stream, open_file_source
from git_theta.tensors.arrays import Buffer


class Cleaning(NamedTuple):
    """What becomes of what clean answers.

    Attributes:
        keep: everything that the manifest names is durable when it is answered (L5). Without it nothing is stored that
            changed: the answer tells whether the file did, and must go nowhere.
        records: the answer may get into the index. Where it is only compared, what no commit shall have passes.
        renormalizes: whether a raw file becomes a manifest also where the index holds it as it is, and a file that has
            one is laid out anew.
    """

    keep: bool = True
    records: bool = True
    renormalizes: Callable[[], bool] = lambda: True


def clean_pieces(
    stream: Stream, path: str, worktree: Path | None, context: Context, asked: Cleaning
) -> Iterator[Buffer]:
    """What Git shall hold for a file, as ``clean_stream`` says; or the file itself, in pieces, where it holds that.

    Raises StoreError, ChangedFile, ManifestError.
    """
    raw = None
    if stream.head and not resembles_manifest(stream.head):
        raw = pass_committed_raw(stream, path, worktree, context, asked.renormalizes)
    if raw is not None:
        yield from raw
    else:
        anew = context._replace(pins_layout=lambda: not asked.renormalizes())
        yield clean_stream(stream, path, worktree, anew, keep=asked.keep, records=asked.records)


def clean_stream(
    stream: Stream, path: str, worktree: Path | None, context: Context, *, keep: bool = True, records: bool = True
) -> bytes:
    """What Git shall hold for a file: its manifest, or the bytes themselves where they stand for something already.

    Args:
        stream: the file's bytes, from Git.
        path: the file, relative to the worktree.
        worktree: top of the checked-out files. The file there may have the same bytes: that helps, but need not be.
        context: what to work with.
        keep: as :class:`Cleaning` has it.
        records: the same.

    Raises StoreError, ChangedFile; ManifestError for what was a manifest before it was edited, or merged as text.
    """
    if not stream.head:  # Git looks anew, at every status, at a file that has no bytes and whose blob has some
        return b""
    if resembles_manifest(stream.head) or stream.is_short:
        text = b"".join(_take_limited(stream, MAX_MANIFEST))
        answer = _stand_in_text(text, path, context, records=records) if len(text) <= MAX_MANIFEST else None
        if answer is not None:
            return answer
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
    with run_beside(lambda: _recall_or_split(path, source, context, split), source.halt) as result:
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


def _recall_or_split(
    path: str, source: FileSource, context: Context, split: Callable[[RandomAccess], SplitFile]
) -> SplitFile:
    """What is remembered has the layout that the file had: it does where that is to be kept."""
    recalled = recall_split(path, source, context) if context.pins_layout() else None
    return recalled or split(source)


def _take_limited(stream: Stream, limit: int) -> Iterator[Buffer]:
    while stream.offset <= limit and (block := stream.take(1 << 20)):
        yield block


def _stand_in_text(text: bytes, path: str, context: Context, *, records: bool) -> bytes | None:
    """What Git shall hold for a text that is a manifest, or stands for a file kept elsewhere; None for all others.

    Raises ManifestError for what was a manifest, where the answer would be recorded; but not where Git holds just that.
    """
    if found := foreign.detect_pointer(text):
        context.warn(f"{path}: {found.what}, kept as it is. {found.hint}")
        return text
    if not resembles_manifest(text):
        return None
    try:
        _, answer = read_near_manifest(text)
    except ManifestError as error:  # stored like a checkpoint, fsck would have nothing to say about it any more
        if records and not isinstance(error, NewerManifest) and not _is_staged(text, path, context):
            raise ManifestError(f"{error.message}; not recorded", hint=error.hint) from error
        context.warn(f"{path}: {error.message}, kept as it is. {error.hint}")
        return text
    if records and not _is_staged(answer, path, context):
        context.warn(
            f"{path}: its manifest is recorded, which stands in its place. To get the file: git theta checkout"
        )
    return answer


def _is_staged(text: bytes, path: str, context: Context) -> bool:
    """Whether the index holds just this."""
    blob = context.staged_blob(path)
    return blob is not None and blob.size == len(text) and blob.is_same([text])
