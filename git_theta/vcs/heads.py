"""The heads of a merge: their commits, which of them are independent, and their merge base."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import git, git_succeeds

HEAD = "HEAD"

_REF_KINDS = {"heads": "branch ", "tags": "tag ", "remotes": "remote-tracking branch "}


class Head(NamedTuple):
    """A commit, and what the person calls it."""

    name: str
    commit: str


def resolve_head(name: str, cwd: Path | None = None) -> Head:
    """The commit of that name. Raises UsageError where there is none."""
    try:
        found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=cwd)
    except GitError:
        if name == HEAD:
            raise UsageError("nothing is committed here yet", hint="Begin at a branch: git switch BRANCH") from None
        raise UsageError(
            f"{name!r} is no commit here", hint="Name a branch, a tag or a commit: git log --all"
        ) from None
    return Head(name, found.decode().strip())


def independent_heads(heads: Sequence[Head], cwd: Path | None = None) -> list[Head]:
    """The heads that no other one has in its history, in their order, each commit once."""
    kept = git("merge-base", "--independent", *(head.commit for head in heads), cwd=cwd).decode().split()
    first = {head.commit: head for head in reversed(heads)}
    return [head for head in heads if head.commit in kept and first[head.commit] is head]


def merge_base(heads: Sequence[Head], cwd: Path | None = None) -> str | None:
    """The best commit that is in the history of every head; None for histories that have nothing in common."""
    try:
        return git("merge-base", "--octopus", *(head.commit for head in heads), cwd=cwd).decode().strip()
    except GitError as error:
        if "exited 1" in error.message:
            return None
        raise


def merge_message(heads: Sequence[Head], cwd: Path | None = None) -> str:
    """What Git would say about merging these heads into HEAD: ``Merge branches 'a' and 'b'``."""
    lines = "".join(f"{head.commit}\t\t{_ref_kind(head.name, cwd)}'{head.name}' of .\n" for head in heads)
    return os.fsdecode(git("fmt-merge-msg", cwd=cwd, stdin=os.fsencode(lines)))


def _ref_kind(name: str, cwd: Path | None) -> str:
    found = (
        kind for folder, kind in _REF_KINDS.items() if git_succeeds("show-ref", "-q", f"refs/{folder}/{name}", cwd=cwd)
    )
    return next(found, "")
