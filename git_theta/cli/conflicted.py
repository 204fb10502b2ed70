"""The files in conflict here: their stages as operations take them, and what is told about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.cli import boundary
from git_theta.cli.desk import conflicts_of
from git_theta.errors import ManifestError
from git_theta.manifest.text import LARGEST, is_manifest, loads
from git_theta.operations.conflicts import Conflict, Stages, forget_all, open_conflict, still_ours
from git_theta.vcs.attributes import filtered
from git_theta.vcs.repository import Repository
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


def tell_what_is_recorded(repository: Repository, path: str, text: bytes) -> None:
    """Warn a person who stages a file in conflict that contested parameters are recorded as ours.

    Args:
        repository: one with a worktree.
        path: the file, from the top.
        text: what is being recorded.
    """
    try:
        left = list(_recorded_as_ours(repository, path, text))
    except ManifestError:  # not by parameters: nothing was told to be contested
        return
    if left:
        plural = "s are" if len(left) > 1 else " is"
        boundary.warn(
            f"{path}: {len(left)} contested parameter{plural} recorded as ours: {', '.join(left)}",
            hint=f"If that is not meant: git checkout --merge -- {path}; then git theta resolve.",
        )


def _recorded_as_ours(repository: Repository, path: str, text: bytes) -> Iterator[str]:
    files = unmerged(is_manifest, LARGEST, (), repository.worktree)
    if not files:  # what was noted is over, and need not be looked into at every clean
        forget_all(conflicts_of(repository))
    for file in files:
        conflict = opened(file, repository) if file.path == path else None
        if conflict:
            yield from still_ours(conflict.left, conflict.made.heads[0], loads(text))
