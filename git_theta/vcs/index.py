"""The index: what it holds, and making it believe in a file that we wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_theta.vcs.git import blob, git


def staged(path: str, worktree: Path | None) -> bytes | None:
    """The blob that the index has for ``path`` (relative to the top, no conflict stages), or None."""
    return blob(f":0:{path}", cwd=worktree)


def refresh(paths: Iterable[str], worktree: Path, config: Mapping[str, str]) -> None:
    """Have Git look at these files anew, with extra ``config``.

    The paths must be named: Git takes a file whose size is not the recorded one for modified without running clean.
    """
    listing = b"".join(os.fsencode(path) + b"\0" for path in paths)
    git("update-index", "-z", "--stdin", cwd=worktree, stdin=listing, config=config)


def distrust(paths: Iterable[str], worktree: Path) -> None:
    """Keep these entries, and forget how their files look: the next status compares contents."""
    literal = ["--literal-pathspecs", "ls-files", "-s", "-z", "--", *paths]
    git("update-index", "-z", "--index-info", cwd=worktree, stdin=git(*literal, cwd=worktree))
