"""The files in conflict here: their stages as operations take them, and what is told about them."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.errors import ManifestError
from git_theta.manifest.text import LARGEST, is_manifest, loads
from git_theta.operations.merging.conflicts import Conflict, Stages, forget_all, open_conflict, still_ours
from git_theta.repository.opening import conflicts_of
from git_theta.vcs.attributes import filtered
from git_theta.vcs.discovery import Repository
from git_theta.vcs.unmerged import Unmerged, unmerged


def conflicted(repository: Repository, pathspecs: Sequence[str] = ()) -> list[Unmerged]:
    """The tracked files in conflict that match pathspecs of the current folder; all of the worktree without any."""
    cwd = None if pathspecs else repository.worktree
    files = unmerged(is_manifest, LARGEST, pathspecs, cwd)
    ours = set(filtered([file.path for file in files], repository.worktree)) if files else set()
    return [file for file in files if file.path in ours]


def opened(file: Unmerged, repository: Repository) -> Conflict | None:
    """The conflict of a file by parameters; None where Git alone can tell. Raises ManifestError, naming the file."""
    try:
        return open_conflict(file.path, Stages(*file.texts), conflicts_of(repository))
    except ManifestError as error:
        raise error.located(path=file.path) from error.__cause__


def recorded_as_ours(repository: Repository, path: str, text: bytes) -> list[str]:
    """The contested parameters that are recorded as ours when a file in conflict is staged.

    Args:
        repository: one with a worktree.
        path: the file, from the top.
        text: what is being recorded.
    """
    files = unmerged(is_manifest, LARGEST, (), repository.worktree)
    if not files:  # what was noted is over, and need not be looked into at every clean
        forget_all(conflicts_of(repository))
    try:
        conflicts = [conflict for file in files if file.path == path and (conflict := opened(file, repository))]
        return [name for one in conflicts for name in still_ours(one.left, one.made.heads[0], loads(text))]
    except ManifestError:  # not by parameters: nothing was told to be contested
        return []
