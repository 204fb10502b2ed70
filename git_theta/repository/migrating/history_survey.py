"""Which versions of which files a history has, and its attributes files: names and ids alone, no content."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from git_theta.errors import GitError, UsageError
from git_theta.vcs.fast_export import ATTRIBUTES_NAME, OPTIONS, ExportedCommit, FileChange, parse_commits
from git_theta.vcs.git import AS_STORED, run_git
from git_theta.vcs.trees import require_safe_path

_BELOW_ATTRIBUTES = ATTRIBUTES_NAME + b"/"
_ATTRIBUTES_ALONE = ("--full-history", "--", ":(glob)**/.gitattributes")


@dataclass
class HistorySurvey:
    """What a history has.

    Attributes:
        commits: how many.
        paths: every path at which a regular file ever stood.
        versions: of the files that were asked for: path to blob to the first commit that has it there.
        attributes: attributes files, as (path, blob) to the first commit that has it there.
    """

    commits: int = 0
    paths: set[bytes] = field(default_factory=set)
    versions: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)
    attributes: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)

    @property
    def blobs(self) -> set[str]:
        """The ids of all versions."""
        return {blob.decode() for versions in self.versions.values() for blob in versions}


@contextmanager
def export_commits(tips: Iterable[str], options: Iterable[str] = ()) -> Iterator[Iterator[ExportedCommit]]:
    """The commits that these ids reach, parents before children. Raises GitError."""
    with tempfile.TemporaryFile() as listing:
        listing.write(b"".join(tip.encode() + b"\n" for tip in dict.fromkeys(tips)))
        listing.seek(0)
        with run_git(AS_STORED, "fast-export", *OPTIONS, "--stdin", *options, stdin=listing) as stream:
            yield _read_all(stream)


def survey_history(tips: Iterable[str], is_chosen: Callable[[bytes], bool]) -> HistorySurvey:
    """What these commits and all before them have. Raises GitError, UsageError."""
    found = HistorySurvey()
    with export_commits(tips) as commits:
        for commit in commits:
            found.commits += 1
            _require_sound(commit)
            for change in commit.changes:
                if is_attributes_file(change.path) and change.mode:
                    _note_attributes(change, commit, found)
                if change.path.startswith(_BELOW_ATTRIBUTES) and change.mode:
                    raise _refuse_attributes(ATTRIBUTES_NAME, "a folder", commit)
                if change.is_regular:
                    found.paths.add(change.path)
                    if is_chosen(change.path):
                        found.versions.setdefault(change.path, {}).setdefault(change.content, commit.original)
    return found


def survey_attributes(tips: Iterable[str]) -> set[tuple[bytes, bytes]]:
    """The attributes files alone, as (path, blob). Raises GitError."""
    with export_commits(tips, _ATTRIBUTES_ALONE) as commits:
        changes = (change for commit in commits for change in commit.changes)
        return {(change.path, change.content) for change in changes if change.is_regular}


def is_attributes_file(path: bytes) -> bool:
    """Whether Git looks for attributes at a path."""
    return path.rpartition(b"/")[2] == ATTRIBUTES_NAME


def _read_all(stream: IO[bytes]) -> Iterator[ExportedCommit]:
    """The commits, and then what is left: Git must not die of a reader that went away."""
    yield from parse_commits(stream)
    stream.read()


def _require_sound(commit: ExportedCommit) -> None:
    """Raise GitError for a commit whose files could not all stand in a worktree: an exact copy cannot be made of it."""
    seen = set()
    for change in (change for change in commit.changes if change.mode):
        path = os.fsdecode(change.path)
        try:
            require_safe_path(path)
        except GitError as error:
            raise error.add_location(path=f"commit {commit.original.decode()}") from None
        if path in seen:
            raise GitError(
                f"commit {commit.original.decode()} has two files of this name",
                hint="git fsck says so, too. Mend history first, with git filter-repo, say.",
                path=path,
            )
        seen.add(path)


def _note_attributes(change: FileChange, commit: ExportedCommit, found: HistorySurvey) -> None:
    if not change.is_regular:
        raise _refuse_attributes(change.path, "a link or a submodule", commit)
    found.attributes.setdefault((change.path, change.content), commit.original)


def _refuse_attributes(path: bytes, what: str, commit: ExportedCommit) -> UsageError:
    return UsageError(
        f"is {what} in commit {commit.original.decode()}, which Git reads no attributes from",
        hint="Make it a file in history first, with git filter-repo, say.",
        path=os.fsdecode(path),
    )
