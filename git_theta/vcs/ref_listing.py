"""Branches and tags with the commits that they name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import ask_git, git

_FORM = "%00".join(("%(refname)", "%(objecttype)", "%(objectname)", "%(*objecttype)", "%(*objectname)", "%(subject)"))


class ListedRef(NamedTuple):
    """A ref that names a commit.

    Attributes:
        name: in full: ``refs/heads/main``.
        commit: its id.
        subject: of an annotated tag, its own; else the commit's.
        is_annotated: whether it is an annotated tag.
    """

    name: str
    commit: str
    subject: str
    is_annotated: bool


def list_refs(patterns: Sequence[str], cwd: Path | None = None) -> list[ListedRef]:
    """The refs that name commits, by patterns of ``git for-each-ref``: a full name, or what it begins with."""
    listing = os.fsdecode(git("for-each-ref", f"--format={_FORM}", *patterns, cwd=cwd))
    found = []
    for line in listing.split("\n")[:-1]:
        name, kind, oid, target_kind, target, subject = line.split("\0", 5)
        if "commit" in (kind, target_kind):
            found.append(ListedRef(name, target or oid, subject, kind == "tag"))
    return found


def is_ancestor(older: str, newer: str, cwd: Path | None = None) -> bool:
    """Whether a commit is another one, or in its history. Raises GitError where Git cannot read either."""
    return ask_git("merge-base", "--is-ancestor", older, newer, cwd=cwd) is not None


def commit_time(commit: str, cwd: Path | None = None) -> int:
    """When it was committed, in seconds."""
    return int(git("show", "-s", "--no-show-signature", "--format=%ct", commit, cwd=cwd))


def create_tag(name: str, commit: str, message: str, cwd: Path | None = None) -> None:
    """Create an annotated tag; signed where Git is configured so. Raises GitError where it is there already."""
    git("tag", "-a", "-F", "-", "--end-of-options", name, commit, cwd=cwd, stdin=os.fsencode(f"{message}\n"))


def require_ref_name(ref: str, cwd: Path | None = None) -> None:
    """Raise UsageError for what no ref can be called."""
    try:
        git("check-ref-format", ref, cwd=cwd)
    except GitError:
        raise UsageError(
            f"Git has no ref of the name {ref!r}",
            hint="Letters, digits, - and _ serve: git check-ref-format tells more.",
        ) from None
