"""The files in conflict here, with their stages and what is noted about them."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.errors import ManifestError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.merging.conflicts import Conflict, Stages, find_ours, open_conflict, remove_notes
from git_theta.repository.opening import conflicts_dir
from git_theta.vcs.attributes import filtered_paths
from git_theta.vcs.discovery import Repository
from git_theta.vcs.unmerged import UnmergedFile, unmerged_files


def find_conflicted(repository: Repository, pathspecs: Sequence[str] = ()) -> list[UnmergedFile]:
    """The tracked files in conflict that match pathspecs of the current folder; all of the worktree without any."""
    cwd = None if pathspecs else repository.worktree
    files = unmerged_files(is_manifest, MAX_MANIFEST, pathspecs, cwd)
    ours = set(filtered_paths([file.path for file in files], repository.worktree))
    return [file for file in files if file.path in ours]


def read_conflict(file: UnmergedFile, repository: Repository) -> Conflict | None:
    """The conflict of a file by parameters; None where Git alone can tell. Raises ManifestError, naming the file."""
    try:
        return open_conflict(file.path, Stages(*file.texts), conflicts_dir(repository))
    except ManifestError as error:
        raise error.add_location(path=file.path) from error.__cause__


def find_recorded_ours(repository: Repository, path: str, text: bytes) -> list[str]:
    """The contested parameters that are recorded as ours when a file in conflict is staged.

    Args:
        repository: one with a worktree.
        path: the file, from the top.
        text: what is being recorded.
    """
    files = unmerged_files(is_manifest, MAX_MANIFEST, (), repository.worktree)
    if not files:  # what was noted is over, and need not be looked into at every clean
        remove_notes(conflicts_dir(repository))
    try:
        conflicts = [conflict for file in files if file.path == path and (conflict := read_conflict(file, repository))]
        return [
            name for one in conflicts for name in find_ours(one.left, one.settled_plan.heads[0], decode_manifest(text))
        ]
    except ManifestError:  # not by parameters: nothing was told to be contested
        return []
