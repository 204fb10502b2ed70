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
from git_theta.manifest.text import dumps, loads
from git_theta.operations.adding.known_parts import Known
from git_theta.operations.adding.split import split
from git_theta.operations.context import Desk
from git_theta.operations.restoring.restore import missing_objects
from git_theta.operations.streams import HEAD, FileSource, Stream


def recalled(stream: Stream, path: str, source: FileSource, desk: Desk) -> bytes:
    """The manifest of the stream, with the worktree's file as ``source``: remembered, or made and then remembered."""
    started, before = time.time(), source.stat()
    known = _remembered(path, source, desk)
    if known is not None:
        differing = _unless_equal(stream, source)
        if differing is None:
            return dumps(known)
        text = dumps(split(differing, path, source, desk))
        if not _unchanged(before, source.stat()):  # which the start of the stream was read from
            raise ChangedFile("the file changed while it was being added", path=path, hint="Repeat the command.")
        return text
    stream.twin = source
    text = dumps(split(stream, path, source, desk))
    if stream.as_twin and stream.offset == source.size and _unchanged(before, source.stat()):
        desk.state.remember_clean(source.path, before, started, text)
    return text


def _remembered(path: str, source: FileSource, desk: Desk) -> Manifest | None:
    text = desk.state.manifest_of(source.path, source.stat())
    if text is None:
        return None
    try:
        manifest = _as_in_index(loads(text), Known(desk, desk.prior(path)))
    except ManifestError:  # the database was damaged, or another release wrote it
        return None
    return None if missing_objects(manifest, desk) else manifest


def _as_in_index(manifest: Manifest, known: Known) -> Manifest:
    """The manifest, with the storage that the index has for the same parts (L2)."""

    def as_there(part: Entry) -> Entry:
        return part._replace(storage=known(part.oid) or part.storage)

    frame = manifest.frame and as_there(manifest.frame)
    return manifest._replace(frame=frame, entries=tuple(map(as_there, manifest.entries)))


def _unless_equal(stream: Stream, source: FileSource) -> Stream | None:
    """None when the stream has exactly the file's bytes; else a stream of what it has, from the start."""
    while block := stream.take(HEAD):
        start = stream.offset - len(block)
        if not source.holds(start, block):
            return Stream.of(chain(source.prefix(start), [block]), then=stream)
    return None if stream.offset == source.size else Stream.of(source.prefix(stream.offset))


def _unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
