"""The attributes files that may match a path, found without asking Git: for the filter, which looks at every file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from git_theta.vcs.atomic import read_or_nothing
from git_theta.vcs.discovery import Repository

ENCODING = "working-tree-encoding"
FORMAT = "theta-format"
"""The attribute that chooses the format of a file."""
NO_FORMAT = ("unspecified", "unset", "")
"""What `git check-attr` says of it where none is chosen."""
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
    """Whether an attributes file that may match a path speaks of encodings."""
    return _is_mentioned(ENCODING, path, repository)


def read_chosen_format(path: str, repository: Repository) -> str:
    """The format that attributes choose for a path; "" where they choose none. Git is asked only where one may."""
    if not _is_mentioned(FORMAT, path, repository):
        return ""
    from git_theta.vcs.attribute_files.attribute_values import read_attribute  # for files that are near such a line

    value = read_attribute(FORMAT, [path], repository.worktree)[path]
    return "" if value in NO_FORMAT else value


def _is_mentioned(attribute: str, path: str, repository: Repository) -> bool:
    """Whether an attributes file that may match a path speaks of an attribute.

    One that the configuration names, or the system's, is known to `git theta doctor` alone.
    """
    if repository.worktree is None:
        return False
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git/attributes"
    files = (*(file for _, file in nearby_files(path, repository)), own)
    return any(attribute.encode() in read_or_nothing(file) for file in files)
