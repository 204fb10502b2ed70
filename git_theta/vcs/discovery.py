"""Where this repository keeps things."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import current_folder, git

_WORKTREE_VARIABLE = "GIT_WORK_TREE"
_LOCATION_VARIABLES = ("GIT_DIR", "GIT_COMMON_DIR", _WORKTREE_VARIABLE)
_SEPARATOR = "--next--"  # `git rev-parse` repeats what it does not know: it tells paths apart that hold newlines


class Repository(NamedTuple):
    """Paths of a repository, absolute.

    Attributes:
        git_dir: this worktree's own directory (``.git``, or ``.git/worktrees/NAME``).
        common_dir: what all its worktrees share.
        hooks_dir: where Git looks for hooks (core.hooksPath honoured).
        worktree: top of the checked-out files, or None in a bare repository.
    """

    git_dir: Path
    common_dir: Path
    hooks_dir: Path
    worktree: Path | None

    @property
    def theta_dir(self) -> Path:
        """Everything of ours that belongs to the clone: objects, state, temporary files."""
        return self.common_dir / "theta"

    @property
    def home(self) -> Path:
        """The folder that git works in for it: the top of the worktree; of a bare one, its own."""
        return self.worktree or self.git_dir

    @property
    def objects_dir(self) -> Path:
        """Git's own objects."""
        return self.common_dir / "objects"


LOCATION_KEYS = ("core.hookspath", "core.worktree")
"""Settings of Git by which a repository's folders lie elsewhere than usual."""


def discover_at_top(settings: Mapping[str, str]) -> Repository:
    """As ``discover_repository``, for a program that Git starts at the top of a worktree: without asking Git, mostly.

    Of a repository that is not ``.git`` there, Git says in the environment which one it is.

    Args:
        settings: the values of LOCATION_KEYS that there are.

    Raises GitError.
    """
    top = Path.cwd()
    git_dir, hooks = top / ".git", top / ".git/hooks"
    elsewhere = any(name in os.environ for name in _LOCATION_VARIABLES) or any(key in settings for key in LOCATION_KEYS)
    # Git names the places that links lead to.
    usual = (git_dir / "HEAD").exists() and not any(path.is_symlink() for path in (git_dir, hooks))
    if elsewhere or not usual or (git_dir / "commondir").exists():
        return discover_repository()
    return Repository(git_dir, git_dir, hooks, top)


def find_repository() -> Repository | None:
    """The repository around the current folder, or None."""
    try:
        return discover_repository()
    except GitError:
        return None


def discover_repository(cwd: Path | None = None) -> Repository:
    """The repository around ``cwd``. Raises GitError outside of one."""
    try:
        answer = git(
            "rev-parse", "--path-format=absolute", "--git-dir", _SEPARATOR, "--git-common-dir", _SEPARATOR,
            "--git-path", "hooks", _SEPARATOR, "--is-inside-work-tree", _SEPARATOR, "--show-cdup",
            cwd=cwd,
        )  # fmt: skip
    except GitError as error:
        raise _explain_refusal(error) from error
    git_dir, common, hooks, inside, up = f"{os.fsdecode(answer)}\n".split(f"\n{_SEPARATOR}\n")
    folder = cwd or current_folder() or Path()
    top = (folder / up.rstrip("\n")).resolve() if inside == "true" else _find_worktree_elsewhere(cwd)
    return Repository(Path(git_dir), Path(common), Path(hooks), top)


def _explain_refusal(error: GitError) -> GitError:
    """Why Git finds no repository, told from its words; the error itself for another reason."""
    if "not a git repository" in error.message:
        return GitError("not in a Git repository", hint="Change to the folder of one, or make one: git init")
    owned = re.search(r"dubious ownership in repository at '(.*)'$", error.message, re.MULTILINE)
    if owned:
        return GitError(
            f"{owned[1]} is another user's, and Git looks into no repository of theirs",
            hint=f"If you trust it: git config --global --add safe.directory {shlex.quote(owned[1])}",
        )
    return error


def _find_worktree_elsewhere(cwd: Path | None) -> Path | None:
    """The worktree that ``git --work-tree`` named, where we are not in it; None where none is named."""
    if _WORKTREE_VARIABLE not in os.environ:
        return None
    with contextlib.suppress(GitError):  # a bare repository all the same
        return Path(os.fsdecode(git("rev-parse", "--path-format=absolute", "--show-toplevel", cwd=cwd)).rstrip("\n"))
    return None
