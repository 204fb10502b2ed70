"""Revisions that Git does not know: which of several it is, and what to name instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from git_theta.errors import UsageError
from git_theta.vcs.git import git_succeeds
from git_theta.vcs.shallow_clones import describe_deepening


def find_unknown(revisions: Sequence[str], cwd: Path | None = None) -> str:
    """The first name that Git does not know, of a range that end of it; "" where it knows all of them."""
    if _are_known(revisions, cwd):
        return ""
    ends = [end for revision in revisions for end in revision.replace("...", "..").split("..")]
    return next((end for end in ends if end and not _are_known([end], cwd)), "")


def _are_known(revisions: Sequence[str], cwd: Path | None) -> bool:
    return git_succeeds("rev-parse", *revisions, "--", cwd=cwd)


def refuse_revision(name: str, cwd: Path | None = None) -> NoReturn:
    """Raise UsageError for a name that Git does not know."""
    if name.removeprefix("^") == "HEAD":
        raise UsageError("there is no commit yet", hint="What is staged: git theta show :PATH")
    hints = ["Name a branch, a tag or a commit: git log --all", describe_deepening(cwd)]
    raise UsageError(f"{name!r} is no revision here", hint="\n".join(filter(None, hints)))
