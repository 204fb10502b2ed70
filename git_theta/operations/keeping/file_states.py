"""What there is of each tracked file: in the index, in the worktree, in the store. No tensor is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations import foreign
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.store.base import Store, select_missing


@dataclass(frozen=True)
class TrackedFile:
    """A tracked file of the index.

    Attributes:
        path: relative to the top of the worktree.
        blob: id of what the index holds; of "ours" (or the first stage there is) while in conflict.
        conflict: whether it is unmerged.
        manifest: what the index holds, when that is a manifest.
        raw: what the index holds otherwise, in words; "" for a manifest, and for a file of no bytes, which needs none.
        hint: what helps with it, where `git add --renormalize` does not.
    """

    path: str
    blob: str
    conflict: bool
    manifest: Manifest | None
    raw: str
    hint: str = ""


class FileState(StrEnum):
    """What stands for a tracked file in the worktree."""

    MATERIALISED = "materialised"
    MANIFEST = "manifest"
    MISSING = "missing objects"
    ABSENT = "absent"
    CONFLICT = "conflict"
    RAW = "raw"


@dataclass(frozen=True)
class FileStatus:
    """A tracked file and its state.

    Attributes:
        state: the first that holds: conflict, absent, raw, materialised, missing objects, manifest.
        objects, missing: how many objects the manifest names, and how many of them are not here.
        stored: bytes of all objects that the manifest names.
    """

    tracked: TrackedFile
    state: FileState
    objects: int = 0
    missing: int = 0
    stored: int = 0


class SizeTotals(NamedTuple):
    """Bytes of the files as they are checked out, and of their distinct objects."""

    logical: int
    stored: int


def classify_blob(path: str, blob: str, conflict: bool, data: bytes | None) -> TrackedFile:
    """What the index holds for ``path``, whose ``blob`` it is, in ``conflict`` or not.

    ``data`` is all of a blob that may be a manifest, and the start of any other; None where Git has not got it here.
    """
    if data is None:
        return TrackedFile(path, blob, conflict, None, "not fetched: this is a partial clone")
    with contextlib.suppress(ManifestError):
        return TrackedFile(path, blob, conflict, decode_manifest(data), "")
    if not data:
        return TrackedFile(path, blob, conflict, None, "")
    other = foreign.detect_stand_in(data)
    return TrackedFile(path, blob, conflict, None, foreign.describe_blob(data, path).what, other.hint if other else "")


def survey_file(file: TrackedFile, worktree: Path, store: Store) -> FileStatus:
    """The state of one file."""
    objects = file.manifest.objects() if file.manifest else {}
    missing = len(select_missing(objects, store))
    return FileStatus(file, _state_of(file, worktree, missing), len(objects), missing, sum(objects.values()))


def _state_of(file: TrackedFile, worktree: Path, missing: int) -> FileState:
    if file.conflict:
        return FileState.CONFLICT
    here = find_regular_file(worktree, file.path)
    if here is None:
        return FileState.ABSENT
    if file.raw:
        return FileState.RAW
    if not claims_manifest(here):
        return FileState.MATERIALISED
    return FileState.MISSING if missing else FileState.MANIFEST


def sum_sizes(statuses: Iterable[FileStatus]) -> SizeTotals:
    """Sums over files; an object that several files share is counted once."""
    manifests = [status.tracked.manifest for status in statuses if status.tracked.manifest]
    objects = {oid: size for manifest in manifests for oid, size in manifest.objects().items()}
    return SizeTotals(sum(manifest.size for manifest in manifests), sum(objects.values()))
