"""Whether the indexes of sharded checkpoints say where the parameters are: at a commit, and in Git's index."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from git_theta.checkpoints.index_faults import find_index_faults
from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import group_paths
from git_theta.errors import GitError, ManifestError
from git_theta.manifest.text import decode_manifest
from git_theta.merging.planning.decisions import names_of
from git_theta.repository.comparing.sharded_versions import CommitFiles, read_texts
from git_theta.vcs.attribute_files.filtered_files import indexed_files
from git_theta.vcs.discovery import Repository
from git_theta.vcs.trees import TreeFile, files_of

FAULT_HINT = "A loader takes what the index names. Save the checkpoint whole again, or mend its index; then git add."


def faults_of_commit(commit: str, top: Path | None = None) -> list[str]:
    """What is wrong with the indexes of a commit, in words; nothing for what is none, as a tag may name a blob."""
    try:
        files = files_of(commit, top)
    except GitError:
        return []
    return find_faults(files, top)


def faults_of_index(repository: Repository) -> list[str]:
    """What is wrong with the indexes that would be committed now, in words; files in conflict count as ours."""
    staged = [entry for entry in indexed_files(repository) if entry.stage in (0, 2)]
    return find_faults({entry.path: TreeFile(entry.mode, entry.oid) for entry in staged}, repository.worktree)


def find_faults(files: CommitFiles, top: Path | None) -> list[str]:
    """What is wrong with the indexes among these files, in words. No tensor is read."""
    indexes = read_texts({path: file for path, file in files.items() if is_index(path)}, top)
    folders = {posixpath.dirname(path) for path in indexes}
    around = [path for path, file in files.items() if posixpath.dirname(path) in folders and file.is_regular]
    [groups] = group_paths([([path for path in around if path not in indexes], indexes)])
    return [
        fault
        for path, text in sorted(indexes.items())
        for fault in find_index_faults(path, text, _names_in({one: files[one] for one in groups.get(path, ())}, top))
    ]


def _names_in(shards: CommitFiles, top: Path | None) -> dict[str, Collection[str] | None]:
    """The names in each file; None for one that is not stored by parameters."""
    names: dict[str, Collection[str] | None] = dict.fromkeys(shards)
    for path, text in read_texts(shards, top, manifests=True).items():
        with suppress(ManifestError):
            manifest = decode_manifest(text)
            if not manifest.is_opaque:
                names[path] = {name for entry in manifest.parameters() for name in names_of(entry)}
    return names
