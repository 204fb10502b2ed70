"""The clean cache: a file that was cleaned before and has not changed since costs only the reading.

Git may clean other bytes than the worktree's (``hash-object --stdin --path``), so a file that looks the same proves
nothing about the stream: the two are compared, byte for byte, which is still far cheaper than hashing and encoding.
They are compared before a manifest is remembered, and before it is recalled.
"""

from __future__ import annotations

import os
import time
from itertools import chain

from git_theta.errors import ChangedFile, ManifestError
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.split import encode_split, split_stream
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import missing_objects
from git_theta.operations.streams import HEAD_SIZE, FileSource, Stream


def clean_cached(stream: Stream, path: str, source: FileSource, context: Context) -> bytes:
    """The manifest of the stream, with the worktree's file as ``source``: remembered, or made and then remembered."""
    started, before = time.time(), source.stat()
    known = _recall_manifest(path, source, context)
    if known is not None:
        differing = _differing_stream(stream, source)
        if differing is None:
            return encode_manifest(known)
        text = encode_split(split_stream(differing, path, source, context), path, context)
        if not _is_unchanged(before, source.stat()):  # which the start of the stream was read from
            raise ChangedFile("the file changed while it was being added", path=path, hint="Repeat the command.")
        return text
    stream.twin = source
    text = encode_split(split_stream(stream, path, source, context), path, context)
    if stream.matches_twin and stream.offset == source.size and _is_unchanged(before, source.stat()):
        context.state.remember_clean(source.path, before, started, text)
    return text


def _recall_manifest(path: str, source: FileSource, context: Context) -> Manifest | None:
    text = context.state.manifest_of(source.path, source.stat())
    if text is None:
        return None
    try:
        manifest = _with_index_storage(decode_manifest(text), KnownParts(context, context.staged_manifest(path)))
    except ManifestError:  # the database was damaged, or another release wrote it
        return None
    return None if missing_objects(manifest, context) else manifest


def _with_index_storage(manifest: Manifest, known: KnownParts) -> Manifest:
    """The manifest, with the storage that the index has for the same parts (L2)."""

    def as_there(part: Entry) -> Entry:
        return part._replace(storage=known(part.oid) or part.storage)

    frame = manifest.frame and as_there(manifest.frame)
    return manifest._replace(frame=frame, entries=tuple(map(as_there, manifest.entries)))


def _differing_stream(stream: Stream, source: FileSource) -> Stream | None:
    """None when the stream has exactly the file's bytes; else a stream of what it has, from the start."""
    while block := stream.take(HEAD_SIZE):
        start = stream.offset - len(block)
        if not source.holds(start, block):
            return Stream.from_pieces(chain(source.prefix(start), [block]), then=stream)
    return None if stream.offset == source.size else Stream.from_pieces(source.prefix(stream.offset))


def _is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
