"""Merges of commits that touch neither index nor files: Git is asked for their trees."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.interrupts import defer_interrupt
from git_theta.vcs.git import MERGED_HEAD, current_folder, git, split_nul
from git_theta.vcs.heads import HEAD, Head

_MINIMUM_GIT = (2, 38)
_MERGE_TREE = ("git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages")


def require_tree_merges() -> None:
    """Raise UsageError for a Git that cannot merge trees without a worktree."""
    found = re.search(r"\d+\.\d+", git("version").decode())
    version = found[0] if found else ""
    if not found or tuple(map(int, version.split("."))) < _MINIMUM_GIT:
        raise UsageError(
            f"merging more than two heads needs git 2.38 or newer, and this is {version}",
            hint="Upgrade Git, or merge one head after another.",
        )


def merge_trees(ours: str, theirs: str, cwd: Path | None = None) -> tuple[str, list[str]]:
    """The tree that merging two commits gives, and the paths that conflict in it. Touches neither index nor files.

    Drivers find in their environment no heads of a `git merge` that is above us: those are of another merge.
    """
    where = cwd or current_folder()
    done = subprocess.run(
        [*_MERGE_TREE, ours, theirs], cwd=where, env=_without_merge(), stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode > 1:
        raise GitError(f"git merge-tree failed: {done.stderr.decode(errors='replace').strip()}")
    tree, *conflicts = split_nul(done.stdout)
    return tree, sorted({path for path in conflicts if path})


def find_clean_tree(head: Head, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """The tree that ``git merge HEAD`` would make; "" where that leaves a conflict, or fails. Errors go to ours.

    Drivers know of the head as below ``git merge``. ``variables``: what they find in the environment beside ours.
    """
    with defer_interrupt():
        env = {**_without_merge(), **(variables or {}), f"{MERGED_HEAD}{head.commit}": head.name}
        command = [*_MERGE_TREE, HEAD, head.commit]
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return "" if done.returncode else split_nul(done.stdout)[0]


def _without_merge() -> dict[str, str]:
    """The environment without the heads of a `git merge` above us."""
    return {name: word for name, word in os.environ.items() if not name.startswith(MERGED_HEAD)}


def commit_tree(tree: str, parents: Iterable[str], cwd: Path | None = None) -> str:
    """A commit that no ref names, to merge with; returns its id."""
    options = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", *options, "-m", "an intermediate merge", tree, cwd=cwd).decode().strip()


def tree_of(commit: str, cwd: Path | None = None) -> str:
    """The id of a commit's tree."""
    return git("rev-parse", f"{commit}^{{tree}}", cwd=cwd).decode().strip()
