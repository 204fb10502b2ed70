"""Branches that move without a checkout: by Git's own compare-and-swap, and never below somebody's worktree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from git_theta.errors import BranchMoved, GitError, UsageError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import ask_git, git
from git_theta.vcs.remembered_settings import has_true_setting
from git_theta.vcs.worktrees import checked_out_branches

_HEADS = "refs/heads/"
_SAVE_HINT = "Save to another branch; or write the file there, and commit it with git add and git commit."
_NOT_COPIED = (b"parent", b"gpgsig", b"gpgsig-sha256")
"""Headers of a commit that one with another parent does not have."""


def resolve_branch(name: str, cwd: Path | None = None) -> str:
    """The full name of a branch, which need not exist. Raises UsageError for what no branch can be called."""
    short = name.removeprefix(_HEADS)
    try:
        git("check-ref-format", f"{_HEADS}{short}", cwd=cwd)
    except GitError:
        raise UsageError(
            f"no branch can be called {name!r}",
            hint="Letters, digits, -, _ and / serve, as in runs/7: git check-ref-format tells more.",
        ) from None
    return f"{_HEADS}{short}"


def find_tip(ref: str, cwd: Path | None = None) -> str:
    """The id of a branch's commit; "" where there is no such branch."""
    return (ask_git("rev-parse", "--verify", "--quiet", "--end-of-options", ref, cwd=cwd) or b"").decode().strip()


def require_unused(ref: str, repository: Repository, hint: str = _SAVE_HINT) -> None:
    """Raise UsageError where a branch is checked out: its worktree would say that everything was changed back.

    ``hint``: what to do then.
    """
    if top := checked_out_branches(repository).get(ref):
        raise UsageError(f"the branch {ref.removeprefix(_HEADS)!r} is checked out in {top}", hint=hint)


def write_commit(tree: str, parents: Iterable[str], message: str, cwd: Path | None = None) -> str:
    """The id of a new commit that no ref names yet: by Git's identity, signed where ``commit.gpgSign`` says so.

    Raises GitError where Git does not know who commits.
    """
    options = [word for parent in parents for word in ("-p", parent)]
    signed = ["-S"] if has_true_setting("commit.gpgsign", cwd) else []
    text = os.fsencode(f"{message.rstrip()}\n")
    return git("commit-tree", *signed, *options, "-F", "-", tree, cwd=cwd, stdin=text).decode().strip()


def replace_parent(commit: str, parent: str, cwd: Path | None = None) -> str:
    """The id of a new commit that says what another does, on top of another parent; its signature would be wrong."""
    head, _, message = git("cat-file", "commit", commit, cwd=cwd).partition(b"\n\n")
    lines = [line for line in re.split(rb"\n(?! )", head) if line.partition(b" ")[0] not in _NOT_COPIED]
    lines.insert(1, f"parent {parent}".encode())
    content = b"\n".join(lines) + b"\n\n" + message
    return git("hash-object", "-t", "commit", "-w", "--stdin", cwd=cwd, stdin=content).decode().strip()


def move_branch(ref: str, new: str, old: str, reason: str, cwd: Path | None = None) -> None:
    """Have a branch name another commit, if it still names the old one ("": if there is no such branch).

    Raises BranchMoved where it does not.
    """
    try:
        git("update-ref", "-m", reason, ref, new, old or "0" * len(new), cwd=cwd)
    except GitError:
        require_tip(ref, find_tip(ref, cwd), old)
        raise


def require_tip(ref: str, found: str, expected: str) -> None:
    """Raise BranchMoved unless a branch is where somebody expects it."""
    if found != expected:
        name, places = ref.removeprefix(_HEADS), [oid[:12] or "no commit" for oid in (found, expected)]
        raise BranchMoved(
            f"the branch {name!r} is at {places[0]}, and was expected at {places[1]}",
            hint="Somebody else committed to it. Look at what is there, and save again on top of it.",
        )
