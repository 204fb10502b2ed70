"""What Git has made of a merge, file by file, in the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.repository.comparing.sharded_versions import CommitFiles
from git_theta.vcs.attribute_files.filtered_files import indexed_files
from git_theta.vcs.discovery import Repository
from git_theta.vcs.trees import TreeFile


class MergedByFile(NamedTuple):
    """A merge as Git left it, file by file.

    Attributes:
        commits: the files of the merge base, ours and theirs: of each head, where several are merged.
        staged: the blob of each file that the index has without a conflict.
    """

    commits: Sequence[CommitFiles]
    staged: Mapping[str, str]

    def versions_of(self, path: str) -> list[TreeFile | None]:
        """A file at the merge base, ours and theirs."""
        return [files.get(path) for files in self.commits]

    def side_of(self, path: str) -> int | None:
        """The side, ours before theirs, as which Git has the file; None for one that a driver made."""
        sides = self.versions_of(path)[1:]
        return next((side for side, file in enumerate(sides) if file and file.oid == self.staged.get(path)), None)

    def is_taken(self, path: str) -> bool:
        """Whether one side alone changed a file, or all that did so did it alike, and Git took that."""
        base, *sides = self.versions_of(path)
        return base in sides and len(set(sides)) == 2 and self.side_of(path) is not None

    def stages_of(self, path: str) -> list[TreeFile | None]:
        """A file at the merge base, ours, and that one of theirs which changed it: the index has room for no more."""
        base, ours, *theirs = self.versions_of(path)
        return [base, ours, next((file for file in theirs if file not in (base, ours)), theirs[0])]


def read_merge(commits: Sequence[CommitFiles], repository: Repository) -> MergedByFile:
    """What Git has made in the repository's index of the merge of commits with these files."""
    staged = {entry.path: entry.oid for entry in indexed_files(repository) if entry.stage == 0}
    return MergedByFile(commits, staged)
