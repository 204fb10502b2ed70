"""Git's own merging, and the state that a merge leaves in a repository until it is committed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import git, nul_separated, succeeds
from git_theta.vcs.repository import Repository

_NEWEST_NEEDED = (2, 38)
_STATE = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE")
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")


def under_way(repository: Repository) -> bool:
    """Whether a merge waits for its commit."""
    return (repository.git_dir / "MERGE_HEAD").exists()


def require_clean_index(repository: Repository) -> None:
    """Raise UsageError where something is staged, or a merge, cherry-pick or revert has not ended."""
    unfinished = [name for name in _UNFINISHED if (repository.git_dir / name).exists()]
    if unfinished:
        raise UsageError(
            f"a merge or pick has not been concluded ({unfinished[0]} exists)",
            hint="Commit it, or give it up: git merge --abort",
        )
    if not succeeds("diff-index", "--cached", "--quiet", "HEAD", cwd=repository.worktree):
        raise UsageError("the index holds uncommitted changes", hint="Commit or stash them first.")


def require_tree_merges() -> None:
    """Raise UsageError for a Git that cannot merge trees without a worktree."""
    found = re.search(r"\d+\.\d+", git("version").decode())
    version = found[0] if found else ""
    if not found or tuple(map(int, version.split("."))) < _NEWEST_NEEDED:
        raise UsageError(
            f"merging more than two heads needs git 2.38 or newer, and this is {version}",
            hint="Upgrade Git, or merge one head after another.",
        )


def merge_trees(ours: str, theirs: str, cwd: Path | None = None) -> tuple[str, list[str]]:
    """The tree that merging two commits gives, and the paths that conflict in it. Touches neither index nor files."""
    command = ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode > 1:
        raise GitError(f"git merge-tree failed: {done.stderr.decode(errors='replace').strip()}")
    tree, *conflicts = nul_separated(done.stdout)
    return tree, sorted({path for path in conflicts if path})


def commit_tree(tree: str, parents: Iterable[str], cwd: Path | None = None) -> str:
    """A commit that no ref names, to merge with; returns its id."""
    options = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", *options, "-m", "an intermediate merge", tree, cwd=cwd).decode().strip()


def tree_of(commit: str, cwd: Path | None = None) -> str:
    """The id of a commit's tree."""
    return git("rev-parse", f"{commit}^{{tree}}", cwd=cwd).decode().strip()


def run_merge(head: str, message: str | None, cwd: Path | None = None) -> tuple[int, bytes]:
    """``git merge --no-commit HEAD``: how it exited, and its standard output. Its errors go to ours."""
    spoken = ["-m", message] if message is not None else []
    done = subprocess.run(
        ["git", "merge", "--no-commit", *spoken, head], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    return done.returncode, done.stdout


def begin(repository: Repository, heads: Iterable[str], message: str) -> None:
    """Put down what is being merged, as ``git merge`` does, so that ``git merge --abort`` and ``git commit`` know."""
    git("update-ref", "ORIG_HEAD", "HEAD", cwd=repository.worktree)
    contents = ("".join(f"{head}\n" for head in heads), message, "")
    for name, content in zip(_STATE, contents, strict=True):
        (repository.git_dir / name).write_bytes(os.fsencode(content))


def forget(repository: Repository) -> None:
    """Take back ``begin``."""
    for name in _STATE:
        (repository.git_dir / name).unlink(missing_ok=True)


def check_out(tree: str, repository: Repository) -> None:
    """Take index and worktree from HEAD to a tree. Raises GitError, nothing touched, where it would lose changes."""
    try:
        git("read-tree", "-m", "-u", "HEAD", tree, cwd=repository.worktree)
    except GitError as error:
        raise GitError(error.message, hint="Commit or stash what the merge would overwrite.") from None


def abort(repository: Repository) -> None:
    """Give up a merge that is under way."""
    git("merge", "--abort", cwd=repository.worktree)


def commit(repository: Repository) -> int:
    """Commit the merge that is under way, with the message put down for it; returns Git's exit code."""
    command = ["git", "commit", "--no-edit"]
    return subprocess.run(command, cwd=repository.worktree, stdin=subprocess.DEVNULL).returncode


def add_trailers(repository: Repository, trailers: Sequence[str]) -> None:
    """Add ``Key: value`` lines to the message of the merge that is under way."""
    if trailers:
        options = [word for trailer in trailers for word in ("--trailer", trailer)]
        file = repository.git_dir / "MERGE_MSG"
        git("interpret-trailers", "--in-place", "--if-exists", "add", *options, file, cwd=repository.worktree)
