"""Objects that Git should have and cannot read: told from what is left out on purpose, and said with their file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.cat_file import BLOB_ID
from git_theta.vcs.git import LOSS_HINT, git, split_nul
from git_theta.vcs.lost_trees import require_trees
from git_theta.vcs.partial_clone import find_promisor


def refuse_loss(name: str, cwd: Path | None) -> None:
    """Raise GitError where a name for which Git gives no blob, an id or one of a revision, stands for one."""
    revision, colon, path = name.partition(":")
    if not colon and BLOB_ID.fullmatch(name):
        raise GitError(f"Git cannot read {name}", hint=LOSS_HINT)
    if not revision or not path:
        return
    try:
        listed = git("--literal-pathspecs", "ls-tree", "-z", "--full-tree", revision, "--", path, cwd=cwd)
    except GitError:  # there is no such revision, or a tree of it is lost
        require_trees(revision, path, cwd)
        return
    for _, kind, oid, *_ in map(str.split, split_nul(listed)):
        if kind == "blob":
            raise GitError(f"Git cannot read {oid}, which is {name}", hint=LOSS_HINT)


def require_partial_clone(oid: str, cwd: Path | None = None) -> None:
    """Raise GitError, naming it, for an object that Git calls missing where none may be: damaged, or lost."""
    if not find_promisor(cwd):
        raise describe_loss(oid, "cannot read")


def describe_loss(oid: str, what: str) -> GitError:
    """The error for an object that Git ``what``: "cannot read" ..."""
    return GitError(f"Git {what} {oid}, which may be a manifest", hint=LOSS_HINT)


def name_file(error: GitError, files: Iterable[tuple[str, str]]) -> GitError:
    """The error with the path of the file that it is about, of these paths and the ids of their blobs."""
    error.add_location(path=next((path for path, oid in files if oid in error.message), ""))
    error.hint = error.hint or LOSS_HINT
    return error
