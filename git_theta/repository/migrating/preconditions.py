"""What has to be in order before a history is rewritten."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.index_flags import flagged_paths, unflag_command
from git_theta.vcs.worktrees import find_top, worktree_git_dirs

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}


def require_whole_history(repository: Repository) -> None:
    """Raise UsageError where history is not what it seems to be, or somebody is in the middle of something.

    In any worktree: what a rebase goes on with, and the branch that it will move, would be those of the old history.
    """
    if shallow_boundary():
        raise UsageError("this clone is shallow: its history ends early", hint="Get all of it: git fetch --unshallow")
    if git("for-each-ref", "--count=1", "refs/replace") or (repository.common_dir / "info/grafts").exists():
        raise UsageError(
            "this repository has replacements (git replace, or info/grafts), which name old commits",
            hint="Drop them, git replace --delete, or write them into history first: git filter-repo --force",
        )
    for git_dir in worktree_git_dirs(repository.common_dir):
        if what := next((what for name, what in _UNDER_WAY.items() if (git_dir / name).exists()), ""):
            where = "here" if _is_ours(git_dir, repository) else f"in the worktree {find_top(git_dir, repository)}"
            raise UsageError(
                f"{what} is under way {where}", hint="Finish or abort it first. git status there says how."
            )


def _is_ours(git_dir: Path, repository: Repository) -> bool:
    return os.path.realpath(git_dir) == os.path.realpath(repository.git_dir)


def describe_clean_worktree(top: Path, changing: Collection[str]) -> Mapping[str, os.stat_result]:
    """How the files of the index look, by path, where none of them has changes that are not committed.

    They are described first: who writes one of them from now on makes it look otherwise. Raises UsageError, and so for
    those of ``changing``, the paths that may get another version, that Git was told not to look at.
    """
    described = describe_files(top)
    _require_watched(changing, top)
    changed = split_nul(git("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all", cwd=top))
    if changed:
        raise UsageError(
            f"{changed[0][3:]} has changes that are not committed", hint="Commit them, or put them away: git stash"
        )
    if git("ls-files", "--others", "-z", "--", ":(top,literal).gitattributes", cwd=top):
        raise UsageError("is new, and not committed", hint="Commit it, or remove it.", path=".gitattributes")
    return described


def describe_files(top: Path) -> Mapping[str, os.stat_result]:
    """How the files of the index look in the worktree, by path."""
    paths = split_nul(git("ls-files", "-z", cwd=top))
    return {path: found for path in dict.fromkeys(paths) if (found := _describe_file(top / path))}


def _require_watched(paths: Collection[str], top: Path) -> None:
    """Raise UsageError for a file that Git does not look at: nobody can tell whether it has changes."""
    for path, letter in flagged_paths(top=top).items():
        file = top / path
        if path in paths and (file.is_symlink() or file.is_file()):  # not a sparse one, which is absent
            flag = "assume-unchanged" if letter == "h" else "skip-worktree"
            raise UsageError(
                f"is marked {flag}, so that Git does not see whether it has changes",
                hint=f"Have Git look: {unflag_command(path, letter)}. Then commit its changes, or stash them.",
                path=path,
            )


def _describe_file(file: Path) -> os.stat_result | None:
    try:
        found = file.lstat()
    except OSError:  # absent, or below what is no folder any more
        return None
    return found if stat.S_ISREG(found.st_mode) else None
