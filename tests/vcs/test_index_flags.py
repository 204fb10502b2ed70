"""Entries that Git was told not to look at, and how it is told to look again."""

from __future__ import annotations

import subprocess

from git_theta.vcs.index_flags import flagged_paths, unflag_command
from tests.sandbox import Sandbox

FLAGS = {"a b": "h", "sub/*": "S", "sub/both": "s", "é\n": "h"}


def with_flags(sandbox: Sandbox) -> Sandbox:
    for path in (*FLAGS, "plain", "sub/plain"):
        sandbox.write(path, b"x")
    sandbox.commit()
    for path, letter in FLAGS.items():
        if letter.islower():
            sandbox.git("update-index", "--assume-unchanged", path)
        if letter in "sS":
            sandbox.git("update-index", "--skip-worktree", path)
    return sandbox


def test_flags_are_read_by_path(sandbox: Sandbox) -> None:
    top = with_flags(sandbox).root
    assert flagged_paths(top=top) == FLAGS
    assert flagged_paths(["sub/*", "plain"], top) == {"sub/*": "S"}
    assert flagged_paths(["plain"], top) == {}
    assert flagged_paths(top=top / "sub") == {"*": "S", "both": "s"}


def test_the_command_has_git_look_again(sandbox: Sandbox) -> None:
    top = with_flags(sandbox).root
    for path, letter in flagged_paths(top=top).items():
        subprocess.run(unflag_command(path, letter), shell=True, cwd=top, check=True)
    assert flagged_paths(top=top) == {}
