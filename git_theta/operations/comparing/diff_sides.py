"""What stands for a file at one version: a manifest, or something that cannot be compared by parameters."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, is_manifest
from git_theta.operations.context import Context

if TYPE_CHECKING:
    from git_theta.operations.streams import FileSource


class Side(NamedTuple):
    """A file at one version.

    Attributes:
        path: from the top.
        mode: Git's.
        manifest: what it holds; None where that cannot be compared.
        what: what it is in Git, in words; "" for a manifest.
        hint: what helps.
    """

    path: str
    mode: str
    manifest: Manifest | None
    what: str = ""
    hint: str = ""


def side_of_blob(path: str, mode: str, data: bytes | None) -> Side:
    """The file that Git holds as ``data``: all of a manifest, or the start of anything else; None: not to be had."""
    if mode == "120000":
        return Side(path, mode, None, "a symbolic link")
    if data is None:
        return Side(path, mode, None, "a raw file, very large or not fetched")
    if not data:
        return Side(path, mode, None, "an empty file")
    if not is_manifest(data):
        from git_theta.operations import foreign

        return Side(path, mode, None, *foreign.describe_blob(data, path))
    try:
        return Side(path, mode, decode_manifest(data))
    except ManifestError as error:
        return Side(path, mode, None, error.message, error.hint)


def side_of_worktree(path: str, mode: str, top: Path, context: Context, *, adopt: bool = False) -> Side:
    """The file of the worktree, as Git would hold it if it were added now.

    Git has just had it cleaned to find out that it differs: what that gave is remembered, and the file not read again.
    ``adopt``: as if the index did not hold it as it is. Raises StoreError, ChangedFile.
    """
    context = context._replace(staged_blob=lambda _: None) if adopt else context
    from git_theta.operations.streams import (
        open_file_source,  # with what it imports, 6 ms, which two commits do not cost
    )

    source = open_file_source(top / path) if mode.startswith("100") else None
    if source is None:
        return side_of_blob(path, mode, b"")
    try:
        known = _recall_manifest(source, context)
        return Side(path, mode, known) if known else side_of_blob(path, mode, _clean_source(source, path, top, context))
    finally:
        source.close()


def _recall_manifest(source: FileSource, context: Context) -> Manifest | None:
    from git_theta.operations.restoring.restore import missing_objects

    text = context.state.manifest_of(source.path, source.stat())
    with suppress(ManifestError):  # the database was damaged, or another release wrote it
        known = decode_manifest(text) if text else None
        return known if known and not missing_objects(known, context) else None
    return None


def _clean_source(source: FileSource, path: str, top: Path, context: Context) -> bytes:
    from git_theta.operations.adding.clean import clean_stream
    from git_theta.operations.streams import Stream

    offset = 0

    def readinto(view: memoryview) -> int:
        nonlocal offset
        block = source.read(offset, min(len(view), source.size - offset))
        view[: len(block)] = block
        offset += len(block)
        return len(block)

    return clean_stream(Stream(readinto), path, top, context)
