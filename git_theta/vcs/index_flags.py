"""What somebody told the index not to look at: `git update-index --assume-unchanged` and `--skip-worktree`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from git_theta.errors import UsageError
from git_theta.vcs.git import git, split_nul


def flagged_paths(paths: Iterable[str] = (), top: Path | None = None) -> dict[str, str]:
    """The entries that `git status` passes over, path to letter: ``S`` for skip-worktree, ``h`` for assume-unchanged,
    ``s`` for both.

    Args:
        paths: to look at; all, where there are none.
        top: the folder that paths are relative to, below which is looked; the current one where it is None.
    """
    entries = split_nul(git("--literal-pathspecs", "ls-files", "-v", "-z", "--", *paths, cwd=top))
    return {entry[2:]: entry[0] for entry in entries if entry[0] == "S" or entry[0].islower()}


def refuse_flagged(path: str, letter: str) -> NoReturn:
    """Raise UsageError for an entry that Git was told not to look at, with the command that has it look."""
    raise UsageError(
        "Git was told not to look at it, so it may have changes that nobody knows of",
        hint=f"Have it look again, from the top: {unflag_command(path, letter)}",
        path=path,
    )


def unflag_command(path: str, letter: str) -> str:
    """The command that has Git look at such an entry again; Git takes one of the two options at a time."""
    options = {"S": ["--no-skip-worktree"], "s": ["--no-skip-worktree", "--no-assume-unchanged"]}
    chosen = options.get(letter, ["--no-assume-unchanged"])
    return " && ".join(f"git update-index {option} {shlex.quote(path)}" for option in chosen)
