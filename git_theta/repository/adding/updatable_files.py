"""The files of a checkpoint that an update may change: versioned, settled, and with nothing of the worktree's own."""

from __future__ import annotations

import os
from pathlib import Path

from git_theta.checkpoints.index_file import shards_named_by
from git_theta.checkpoints.shards import index_path_of, is_one_of_several
from git_theta.errors import UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.index import differs_from_index
from git_theta.vcs.index_flags import flagged_paths, refuse_flagged


def find_checkpoint_files(whole: str, index: bytes | None, repository: Repository) -> dict[str, TrackedFile]:
    """The files of a checkpoint by their paths, as Git's index has them. Raises UsageError where it is none."""
    paths = [whole] if index is None else shards_named_by(whole, index)
    if is_one_of_several(whole):
        hint = f"Name the index of its shards: {index_path_of(whole)}"
        raise UsageError("it is one file of a checkpoint of several", hint=hint, path=whole)
    tracked = {file.path: file for file in list_tracked(repository, [literal_pathspec(path) for path in paths])}
    if missing := next((path for path in paths if path not in tracked), ""):
        hint = "What is versioned: git theta ls-files :/. A new file: git theta track, git add."
        raise UsageError("it is no versioned file of the index", hint=hint, path=missing)
    return {path: tracked[path] for path in paths}


def read_shard_list(path: str) -> bytes:
    """The list of shards that Git's index has at a path. Raises UsageError where that is none."""
    with BlobReader(MAX_MANIFEST) as blobs:
        found = blobs.find(f":{path}")
        text = (blobs.read(found[0]) if found else None) or b""
    if not shards_named_by(path, text):
        raise UsageError("the index has no such list of shards", hint="Add it: git add.", path=path)
    return text


def require_manifest(file: TrackedFile) -> Manifest:
    """What the index has of a file, by parameters. Raises UsageError where it is in conflict, raw, or kept whole."""
    if file.conflict:
        raise UsageError("it is in conflict", hint="Settle it first: git theta resolve", path=file.path)
    if file.manifest is None:
        hint = file.hint or "Have it versioned: git add --renormalize"
        raise UsageError(f"Git has it as it is: {file.raw or 'an empty file'}", hint=hint, path=file.path)
    if file.manifest.is_opaque:
        raise UsageError("it is kept whole: no format reads it", hint="See git theta relayout.", path=file.path)
    return file.manifest


def require_nothing_lost(path: str, top: Path, *, force: bool, text: bytes | None = None) -> None:
    """Raise UsageError where the worktree has something that would be lost, or Git was told not to look.

    ``text``: what is about to be written, which is nothing to be lost: one that was killed has left it. None where
    nobody knows yet; then a manifest is let pass.
    """
    if flags := flagged_paths([path], top).get(path):
        refuse_flagged(path, flags)
    if os.path.lexists(top / path) and find_regular_file(top, path) is None:
        raise UsageError("it is no regular file in the worktree", hint="Move that away.", path=path)
    file = find_regular_file(top, path)
    is_left = file is not None and claims_manifest(file) and text in (None, file.read_bytes())
    if not force and not is_left and differs_from_index(path, top):
        raise UsageError(
            "it has changes that are not staged, which would be overwritten",
            hint="Stage them: git add. Drop them: git restore. Or overwrite them: --force",
            path=path,
        )
