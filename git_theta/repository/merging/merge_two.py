"""A head merged into HEAD by Git itself, with our options handed to the driver and its report put to use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.operations.merging.merge_report import Record, trailers
from git_theta.repository.merging.driver_report import read_report
from git_theta.repository.merging.policy_sources import OPTIONS_VARIABLE, MergeOptions
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head
from git_theta.vcs.merges import git_merge


class GitMerge(NamedTuple):
    """The result of a `git merge`.

    Attributes:
        code: its exit code, or that of the first driver that failed.
        printed: what Git wrote to its standard output.
        begun: whether a merge waits for its commit: else it was a fast-forward, up to date, refused or given up.
        records: what the driver did, file by file.
        words: what drivers have to say, in lines, and did not say.
        by_git: whether `git merge` made it, and has said so.
    """

    code: int
    printed: bytes
    begun: bool
    records: Sequence[Record] = ()
    words: Sequence[str] = ()
    by_git: bool = True


def merge_two(head: Head, asked: MergeOptions, repository: Repository, *, message: str | None) -> GitMerge:
    """Merge a head into HEAD, up to the commit.

    Conflicts are left as Git leaves them. After an error of the driver's the merge is given up.
    """
    was_under_way = git_merge.is_merging(repository)
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "report"
        handed = {OPTIONS_VARIABLE: asked._replace(report=os.fspath(lines)).encode()}
        code, printed = git_merge.run_merge(head.name, message, repository.worktree, handed)
        report = read_report(lines)
    begun = git_merge.is_merging(repository) and not was_under_way
    if report.failure:
        if begun:
            git_merge.abort_merge(repository)
        return GitMerge(report.failure, b"", begun=False)
    if begun:
        git_merge.add_trailers(repository, trailers(report.records))
    return GitMerge(code, printed, begun, report.records)
