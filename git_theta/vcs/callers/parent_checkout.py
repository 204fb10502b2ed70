"""What a Git command that has files smudged does with them: what it checks out, and whether anybody sees it at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

from git_theta.vcs.callers.parent_process import parent_command
from git_theta.vcs.hooks import is_ours_alone

CHECKOUT_COMMANDS = frozenset(
    ("bisect", "checkout", "cherry-pick", "clone", "merge", "pull", "read-tree", "rebase", "reset", "restore", "revert",
     "sparse-checkout", "stash", "submodule", "switch", "worktree")
)  # fmt: skip
_TREE_COMMANDS = frozenset(("clone", "merge", "pull", "rebase", "reset", "switch"))
# `git rebase` may run commands between its steps, by options that can be abbreviated and bundled. These do not.
_SAFE_REBASE_OPTIONS = frozenset(
    ("--abort", "--autostash", "--force-rebase", "--fork-point", "--no-autostash", "--no-ff", "--no-fork-point",
     "--no-stat", "--no-verify", "--onto", "--quiet", "--quit", "--root", "--stat", "-f", "-n", "-q")
)  # fmt: skip
_HOOKS = ("post-checkout", "post-commit", "post-merge", "post-rewrite", "pre-merge-commit")
_LFS_HOOK = re.compile(rb"#!/bin/sh\n(?:command -v git-lfs [^\n]*\n)?git lfs post-[a-z]+ \"\$@\"\n*")


def may_defer(hooks_dir: Path) -> bool:
    """Whether our parent is a Git command that checks files out and runs nothing that could see them before it ends.

    Where the answer is not known it is no. ``git rebase --exec`` runs commands between its steps, and hooks run before
    the end; those of git-lfs, which looks at its own files alone, do not count, nor do ours.
    """
    return _checks_out() and not any(_runs_hook(hooks_dir / hook) for hook in _HOOKS)


def takes_file_away() -> bool:
    """Whether our parent has removed a file when it asks for what shall take its place, and gives up if we do."""
    return parent_command()[:1] in (["apply"], ["am"])


def applied_stash() -> str:
    """The stash that our parent applies, as it was named; "" where it applies none."""
    command, *words = parent_command() or [""]
    if command != "stash" or words[:1] not in (["pop"], ["apply"]):
        return ""
    named = next((word for word in words[1:] if not word.startswith("-")), "0")
    return f"stash@{{{named}}}" if named.isdigit() else named


def checks_out_tree() -> bool:
    """Whether our parent checks out all files of a commit, not some that it was told. Where it is not known it is no.

    ``git checkout COMMIT FILE`` may come without ``--``.
    """
    command, *words = parent_command() or [""]
    if command != "checkout":
        return command in _TREE_COMMANDS
    values = {at + 1 for at, word in enumerate(words) if word in ("-b", "-B", "--orphan", "--conflict")}
    plain = [word for at, word in enumerate(words) if at not in values and (word == "--" or not word.startswith("-"))]
    return len(plain) < 2 or plain[1:] == ["--"]


def fills_clone() -> bool:
    """Whether our parent is a `git clone`, which without its first checkout has no index, and is of little use."""
    return parent_command()[:1] == ["clone"]


def _checks_out() -> bool:
    arguments = parent_command()
    if not arguments or arguments[0] not in CHECKOUT_COMMANDS:
        return False
    options = {word.partition("=")[0] for word in arguments[1:] if word.startswith("-")}
    return arguments[0] != "rebase" or options <= _SAFE_REBASE_OPTIONS


def _runs_hook(hook: Path) -> bool:
    """Whether Git would run this hook, and it is neither git-lfs's own nor ours, which read no file of the worktree."""
    return os.access(hook, os.X_OK) and not (hook.is_file() and _reads_no_files(hook.read_bytes()))


def _reads_no_files(hook: bytes) -> bool:
    return bool(_LFS_HOOK.fullmatch(hook)) or is_ours_alone(hook)
