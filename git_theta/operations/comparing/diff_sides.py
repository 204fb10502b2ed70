"""What stands for a file at one version: a manifest, or something that cannot be compared by parameters."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import is_manifest, loads
from git_theta.operations.context import Desk

if TYPE_CHECKING:
    from git_theta.operations.streams import FileSource


class Side(NamedTuple):
    """A file at one version.

    Attributes:
        path: from the top.
        mode: Git's.
        manifest: what it holds; None where that cannot be compared.
        what: what it is then, in words; "" for a manifest.
        hint: what helps.
    """

    path: str
    mode: str
    manifest: Manifest | None
    what: str = ""
    hint: str = ""


def blob_side(path: str, mode: str, data: bytes | None) -> Side:
    """The file that Git holds as ``data``: all of a manifest, or the start of anything else; None: not to be had."""
    if mode == "120000":
        return Side(path, mode, None, "a symbolic link")
    if data is None:
        return Side(path, mode, None, "a raw file, very large or not fetched")
    if not data:
        return Side(path, mode, None, "an empty file")
    if not is_manifest(data):
        from git_theta.operations import foreign

        return Side(path, mode, None, *foreign.explain(data, path))
    try:
        return Side(path, mode, loads(data))
    except ManifestError as error:
        return Side(path, mode, None, error.message, error.hint)


def worktree_side(path: str, mode: str, top: Path, desk: Desk) -> Side:
    """The file of the worktree, as Git would hold it if it were added now.

    Git has just had it cleaned to find out that it differs: what that gave is remembered, and the file not read again.
    Raises StoreError, ChangedFile.
    """
    from git_theta.operations.streams import file_source  # with what it imports, 6 ms, which two commits do not cost

    source = file_source(top / path) if mode.startswith("100") else None
    if source is None:
        return blob_side(path, mode, b"")
    try:
        known = _remembered(source, desk)
        return Side(path, mode, known) if known else blob_side(path, mode, _cleaned(source, path, top, desk))
    finally:
        source.close()


def _remembered(source: FileSource, desk: Desk) -> Manifest | None:
    from git_theta.operations.restoring.restore import missing_objects

    text = desk.state.manifest_of(source.path, source.stat())
    with suppress(ManifestError):  # the database was damaged, or another release wrote it
        known = loads(text) if text else None
        return known if known and not missing_objects(known, desk) else None
    return None


def _cleaned(source: FileSource, path: str, top: Path, desk: Desk) -> bytes:
    from git_theta.operations.adding.clean import clean
    from git_theta.operations.streams import Stream

    offset = 0

    def readinto(view: memoryview) -> int:
        nonlocal offset
        block = source.read(offset, min(len(view), source.size - offset))
        view[: len(block)] = block
        offset += len(block)
        return len(block)

    return clean(Stream(readinto), path, top, desk)
