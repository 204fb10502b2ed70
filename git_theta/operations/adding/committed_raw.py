"""Raw files under a tracked pattern that Git holds as they are, committed without us: they stay so until somebody asks.

A clean that made a manifest of one would have Git call it modified, at every look, though nobody has touched it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from git_theta.errors import ChangedFile
from git_theta.operations.adding.proving import compare_stream
from git_theta.operations.context import Context, StagedBlob
from git_theta.operations.streams import FileSource, Stream, open_file_source
from git_theta.tensors.arrays import Buffer


def pass_committed_raw(
    stream: Stream, path: str, worktree: Path | None, context: Context, renormalizes: Callable[[], bool]
) -> Iterator[Buffer] | None:
    """The file's own bytes where the index holds just these, and nobody ``renormalizes`` it.

    Else None, and nothing of the stream was taken.

    A long stream is known by the worktree's file: that is hashed first, and then compared with it. Raises ChangedFile
    where somebody writes the file meanwhile.
    """
    blob = context.staged_blob(path)
    if blob is None or blob.manifest or renormalizes():
        return None
    if stream.is_short:
        return iter([stream.head]) if len(stream.head) == blob.size and blob.is_same([stream.head]) else None
    source = open_file_source(worktree / path) if worktree else None
    if source is None:
        return None
    if source.size != blob.size or not blob.is_same(source.prefix(source.size)):
        source.close()
        return None
    return _answer_with_file(stream, source, blob)


def _answer_with_file(stream: Stream, source: FileSource, blob: StagedBlob) -> Iterator[Buffer]:
    """The file, which has the blob's bytes, once the stream has turned out to have them too."""
    with closing(source):
        if compare_stream(stream, source) is not None:
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        yield from source.prefix(blob.size)
