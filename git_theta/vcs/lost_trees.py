"""Trees that Git cannot read: what stands in them is not absent, though Git answers a question for it as if it were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.git import LOSS_HINT, git, split_nul
from git_theta.vcs.revisions import find_commit


def require_trees(revision: str, path: str, cwd: Path | None = None) -> None:
    """Raise GitError, with the commit, where Git cannot read a tree on the way to a path, or at it, or the commit.

    A partial clone fetches what it lacks. What is no commit at all has no tree, and none has a path that leads out.
    """
    if path.startswith(("/", "../")) or path == "..":
        return
    commit = find_commit(revision, cwd)
    if not commit:
        return
    with naming_commit(commit):
        listed = _list_at(commit, path, cwd)
        if listed[:1] == ["tree"]:
            git("ls-tree", listed[1], cwd=cwd)


def _list_at(commit: str, path: str, cwd: Path | None) -> list[str]:
    """Kind and id of what a commit has at a path; the top is a tree."""
    where = ("--", path) if path else ()
    items = split_nul(git("--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, *where, cwd=cwd))
    return items[0].partition("\t")[0].split()[1:] if path and items else []


@contextmanager
def naming_commit(commit: str) -> Iterator[None]:
    """Has what Git says of a tree that it cannot read name the commit whose tree that is."""
    try:
        yield
    except GitError as error:
        if error.hint != LOSS_HINT:
            raise
        words = error.message.splitlines()[-1].rpartition("fatal: ")[2]
        raise GitError(f"Git cannot read the files of the commit {commit}: {words}", hint=LOSS_HINT) from error
