"""Git's own merging, and the state that a merge leaves in a repository until it is committed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.interrupts import defer_interrupt
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import ask_git, git, git_succeeds, split_nul
from git_theta.vcs.heads import Head, named_ids
from git_theta.vcs.merges import merge_hooks
from git_theta.vcs.merges.merge_settings import forbids_fast_forwards
from git_theta.words import join_some

_MERGE_FILES = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE")
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
_UNDO_ATTEMPTS = 3
GATES_VARIABLE = "GIT_THETA_GATES"
"""Tells our own pre-merge-commit hook that the gates of this merge were asked, or are not to be."""
_IN_THE_WAY = re.compile(r"Entry '(.*)' (?:not uptodate|would be)|Untracked working tree file '(.*)' would be")
"""How ``git read-tree`` names files that it would lose."""
_PLACEHOLDER_HEAD = "git theta merge was stopped. Give it up: git status; git merge --abort"
"""What MERGE_HEAD has until index and worktree hold the merge. Git's commands say it where they cannot go on.

Of files that were being written the index may not know how they look, and Git gives up no merge of such: `git status`
looks at them.
"""


def is_merging(repository: Repository) -> bool:
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
    if ask_git("diff-index", "--cached", "--quiet", "HEAD", cwd=repository.worktree) is None:
        raise UsageError("the index holds uncommitted changes", hint="Commit or stash them first.")


def run_merge(
    head: str, message: str | None, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """``git merge --no-commit HEAD``: how it exited, and its standard output. Its errors go to ours.

    ``variables``: what its drivers find in the environment beside ours.
    """
    spoken = ["-m", message] if message is not None else []
    command = ["git", "merge", "--no-commit", *spoken, head]
    with defer_interrupt():
        env = {**os.environ, **(variables or {})}
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.returncode, done.stdout


def check_out_merge(
    tree: str, heads: Sequence[Head], message: str, added: Sequence[str], repository: Repository
) -> None:
    """Index and worktree from HEAD to the tree of a merge, which waits for its commit; or an error, and nothing.

    ``added``: trailers of its message. Raises as ``check_out_tree``.
    """
    try:
        begin_merge(repository, message)
        add_trailers(repository, added)
        check_out_tree(tree, heads, repository)
    except BaseException:
        forget_merge(repository)
        raise


def begin_merge(repository: Repository, message: str) -> None:
    """Put down that a merge is under way, so that ``git merge --abort`` knows.

    Until :func:`check_out_tree` is through, ``git commit`` refuses: it would record a merge of heads whose changes are
    not there yet.
    """
    git("update-ref", "ORIG_HEAD", "HEAD", cwd=repository.worktree)
    mode = "no-ff" if forbids_fast_forwards(repository) else ""
    for name, content in zip(_MERGE_FILES, (_PLACEHOLDER_HEAD, message, mode), strict=True):
        (repository.git_dir / name).write_bytes(os.fsencode(content))


def forget_merge(repository: Repository) -> None:
    """Take back :func:`begin_merge`."""
    for name in _MERGE_FILES:
        (repository.git_dir / name).unlink(missing_ok=True)


def check_out_tree(tree: str, heads: Sequence[Head], repository: Repository) -> None:
    """Take index and worktree from HEAD to the tree of a merge, and let ``git commit`` know; or leave all as it was.

    Raises GitError where it would lose changes, and where it cannot be done.
    """
    top = repository.worktree
    # A file that was only touched is as it was: `git merge` looks before it refuses, `git read-tree` does not.
    git_succeeds("update-index", "-q", "--refresh", cwd=top)
    try:
        git("read-tree", "-m", "-u", "-n", "HEAD", tree, cwd=top)
    except GitError as error:
        paths = [path for path in chain.from_iterable(_IN_THE_WAY.findall(error.message)) if path]
        said = f"what is in the worktree would be overwritten: {join_some(paths)}" if paths else error.message
        raise GitError(said, hint="Commit or stash it, and merge then.") from None
    try:
        with defer_interrupt():
            # What our filter says after Git has ended, how far it is and what it could not write, is in no exit code.
            git("read-tree", "-m", "-u", "HEAD", tree, cwd=top, show=True)
        _write_merge_heads(repository, heads)
    except BaseException:
        _undo_check_out(tree, repository)
        raise


def read_merge_heads(repository: Repository) -> list[str]:
    """The ids of what is merged, tags' own among them, in the merge that waits for its commit."""
    return (repository.git_dir / "MERGE_HEAD").read_text().split()


def _write_merge_heads(repository: Repository, heads: Sequence[Head]) -> None:
    """Put down what was merged, as ``git merge`` does: all of it is there now.

    A tag has its own id there: `git commit` puts it into the commit, where it is signed.
    """
    ids = named_ids(heads, repository.worktree)
    atomic.replace_file(repository.git_dir / "MERGE_HEAD", "".join(f"{oid}\n" for oid in ids).encode())


def _undo_check_out(tree: str, repository: Repository) -> None:
    """Undo what was begun of :func:`check_out_tree`, which found nothing of the person's in its way."""
    top = repository.worktree
    assert top
    if git_succeeds("diff-index", "--cached", "--quiet", tree, cwd=top):
        # Our filter, whose git was killed, may still be writing large files: the index does not know how they look.
        for _ in range(_UNDO_ATTEMPTS):
            git_succeeds("update-index", "-q", "--refresh", cwd=top)
            if git_succeeds("read-tree", "-m", "-u", tree, "HEAD", cwd=top):
                return
        git("read-tree", "-i", "-m", tree, "HEAD", cwd=top)
    fields = iter(split_nul(git("diff-tree", "-r", "-z", "--name-status", "HEAD", tree, cwd=top)))
    changes = {next(fields): status for status in fields}
    for path in (path for path, status in changes.items() if status == "A"):
        (top / path).unlink(missing_ok=True)
    others = b"".join(os.fsencode(path) + b"\0" for path, status in changes.items() if status != "A")
    git("checkout-index", "-f", "-u", "-q", "-z", "--stdin", cwd=top, stdin=others)


def abort_merge(repository: Repository) -> None:
    """Give up a merge that is under way."""
    git("merge", "--abort", cwd=repository.worktree)


def commit_merge(repository: Repository, *, quiet: bool = False) -> int:
    """Commit the merge that is under way, with the message put down for it; returns Git's exit code.

    The hooks that `git merge` asks are asked, and no others. A merge that one refuses waits for its commit.
    """
    top, hooks = repository.worktree, repository.hooks_dir
    with defer_interrupt():
        index = os.fspath(repository.git_dir / "index")
        env = {**os.environ, "GIT_INDEX_FILE": index, "GIT_EDITOR": ":", GATES_VARIABLE: "asked"}
        if code := merge_hooks.run_hook(hooks / "pre-merge-commit", (), top, env):
            return code
        with merge_hooks.hide_commit_hooks(hooks) as config:
            command = ["git", *config, "commit", "--no-edit", *(["--quiet"] if quiet else [])]
            code = subprocess.run(command, cwd=top, stdin=subprocess.DEVNULL).returncode
        if not code:
            merge_hooks.run_hook(hooks / "post-merge", ("0",), top, {**os.environ})
        return code


def change_trailers(repository: Repository, key: str, change: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Have the message of the merge that is under way say, of a key, what is made of the lines that it has."""
    file = _message_file(repository)
    lines, start = file.read_bytes().splitlines(keepends=True), f"{key}: ".encode()
    said = [os.fsdecode(line).rstrip("\r\n") for line in lines if line.startswith(start)]
    atomic.replace_file(file, b"".join(line for line in lines if not line.startswith(start)))
    add_trailers(repository, change(said))


def add_trailers(repository: Repository, trailers: Sequence[str]) -> None:
    """Add ``Key: value`` lines to the message of the merge that is under way."""
    if trailers:
        options = [word for trailer in trailers for word in ("--trailer", trailer)]
        file = _message_file(repository)
        command = ("interpret-trailers", "--in-place", "--if-exists", "addIfDifferent")
        git(*command, *options, file, cwd=repository.worktree)


def _message_file(repository: Repository) -> Path:
    return repository.git_dir / "MERGE_MSG"
