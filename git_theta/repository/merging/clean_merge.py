"""A head merged into HEAD as `git merge` merges it, file by file, where that leaves no conflict.

`git merge --no-commit` says that it stopped as requested, which nobody did: a merge has still to be looked at, whole
checkpoints and gates. So Git is asked for the tree alone. What is in conflict, or in its way, is left to `git merge`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.operations.merging.merge_report import trailers
from git_theta.repository.merging.driver_report import DriverReport, read_report
from git_theta.repository.merging.merge_two import GitMerge
from git_theta.repository.merging.policy_sources import OPTIONS_VARIABLE, MergeOptions
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head, merge_message
from git_theta.vcs.merges import git_merge, tree_merges
from git_theta.vcs.merges.merge_settings import require_signatures, require_true_merges


def merge_cleanly(head: Head, asked: MergeOptions, repository: Repository, *, message: str | None) -> GitMerge | None:
    """Merge a head into HEAD, up to the commit; None, with nothing changed, where it takes `git merge`."""
    if not _is_ready(head, repository):
        return None
    tree, report = _foresee(head, asked, repository)
    if report.failure:
        return GitMerge(report.failure, b"", begun=False, by_git=False)
    if not tree:
        return None
    text = merge_message([head], message, repository.worktree)
    try:
        git_merge.check_out_merge(tree, [head], text, trailers(report.records), repository)
    except GitError:  # `git merge` says what is in its way
        return None
    return GitMerge(0, b"", True, report.records, report.words, by_git=False)


def _is_ready(head: Head, repository: Repository) -> bool:
    """Whether nothing forbids the merge: else `git merge` says so."""
    try:
        tree_merges.require_tree_merges()
        require_true_merges(repository)
        require_signatures([head], repository)
        git_merge.require_clean_index(repository)
    except UsageError:
        return False
    return True


def _foresee(head: Head, asked: MergeOptions, repository: Repository) -> tuple[str, DriverReport]:
    """The tree of the merge, "" where anything is in conflict; and what drivers reported."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "report"
        handed = asked._replace(report=os.fspath(lines), foreseen=True)
        tree = tree_merges.find_clean_tree(head, repository.worktree, {OPTIONS_VARIABLE: handed.encode()})
        return tree, read_report(lines)
