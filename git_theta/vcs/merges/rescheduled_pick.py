"""A pick of a rebase that a hook refused: Git will do it again, though what it picked is settled by then."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from git_theta.vcs import atomic
from git_theta.vcs.merges.rebase_lines import PICKING


def drop_rescheduled(git_dir: Path) -> None:
    """Take the pick that is under way out of what a rebase has to do yet.

    Git writes down what it has begun, and puts it back in front where a hook refused the commit. Done again, it would
    merge what is settled with what it was settled from, and be refused for ever.
    """
    folder = git_dir / "rebase-merge"
    with suppress(OSError, IndexError):
        todo = (folder / "git-rebase-todo").read_bytes().splitlines(keepends=True)
        done = (folder / "done").read_bytes().splitlines(keepends=True)
        if todo[0] == done[-1] and todo[0].split()[0].decode(errors="replace") in PICKING:
            atomic.replace_file(folder / "git-rebase-todo", b"".join(todo[1:]))
