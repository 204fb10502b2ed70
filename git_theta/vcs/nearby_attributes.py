"""The attributes files that may match a path, found without asking Git: for the filter, which looks at every file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from git_theta.vcs.discovery import Repository

ENCODING = "working-tree-encoding"
INFO = "info/attributes"

_LONGEST_PATH = 4096
"""Bytes of a path that an operating system may open. A longer one has thousands of folders above it: looking into all
of them took half a minute."""


def nearby_files(path: str, repository: Repository) -> Iterator[tuple[str, Path]]:
    """The attributes files of the repository that may match a path: name and place, those that win first."""
    yield INFO, repository.common_dir / INFO
    assert repository.worktree
    for folder in PurePosixPath(path[:_LONGEST_PATH]).parents:
        name = os.fspath(folder / ".gitattributes")
        yield name, repository.worktree / name


def may_be_recoded(path: str, repository: Repository) -> bool:
    """Whether an attributes file that may match a path speaks of encodings.

    One that the configuration names, or the system's, is known to `git theta doctor` alone.
    """
    if repository.worktree is None:
        return False
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git/attributes"
    files = (*(file for _, file in nearby_files(path, repository)), own)
    return any(ENCODING.encode() in read_or_nothing(file) for file in files)


def read_or_nothing(file: Path) -> bytes:
    """The bytes of a file; none where there is none to read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""
