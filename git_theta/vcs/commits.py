"""Git's history, read by few processes however long it is: its commits, and what each changed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import LOSS_HINT, current_folder, end_git, git, read_fields, run_git, start_git
from git_theta.vcs.partial_clone import fetch_missing_blobs, find_promisor

_FORMAT = "%H%x00%P%x00%aN%x00%aE%x00%aI%x00%ad%x00%s%x00%D"
_FIELDS = _FORMAT.count("%x00") + 1
_READ_SIZE = 1 << 16


_MOST_NAMED = 1000
"""Commits that a command line names."""
_FIRST_FETCH = 32
"""Commits whose blobs a partial clone fetches at first."""


class Commit(NamedTuple):
    """A commit.

    Attributes:
        oid: its id.
        parents: theirs; a shallow clone has none for the ``boundary``.
        author, email: who wrote it, by .mailmap.
        time, date: when; in ISO 8601, and as Git prints dates here (``log.date``).
        subject: the first paragraph of its message, on one line.
        refs: what points at it, in Git's words, or "".
        boundary: whether a shallow clone ends here.
    """

    oid: str
    parents: tuple[str, ...]
    author: str
    email: str
    time: str
    date: str
    subject: str
    refs: str
    boundary: bool


class BlobVersion(NamedTuple):
    """A regular file of a tree: its path from the top, and the id of its blob."""

    path: str
    oid: str


class Edit(NamedTuple):
    """What a commit did to one file: None is no regular file. The paths differ where it was renamed."""

    before: BlobVersion | None
    after: BlobVersion | None


def walk_commits(
    revisions: Sequence[str], pathspecs: Sequence[str] = (), *, options: Sequence[str] = ()
) -> Iterator[Commit]:
    """The commits that ``git log`` finds, none before all its children.

    Args:
        revisions: ids, ``^`` before those whose history is left out; git's options for many, such as ``--branches``.
        pathspecs: only commits that changed files that match, on whatever branch they are.
        options: further ones of git's.

    Raises GitError with git's words.
    """
    boundary = shallow_boundary()
    command = [
        "-c", "log.follow=false", "log", "-z", f"--format=tformat:{_FORMAT}", "--date-order", "--full-history",
        "--encoding=UTF-8", "--no-show-signature", "--no-color", *options, *revisions, "--", *pathspecs,
    ]  # fmt: skip
    with run_git(*command) as output:
        fields = read_fields(output)
        for oid in fields:
            parents, author, email, time, date, subject, refs = (next(fields) for _ in range(_FIELDS - 1))
            yield Commit(oid, tuple(parents.split()), author, email, time, date, subject, refs, oid in boundary)


def describe_commits(oids: Sequence[str]) -> dict[str, Commit]:
    """These commits alone, by their ids."""
    batches = (oids[start : start + _MOST_NAMED] for start in range(0, len(oids), _MOST_NAMED))
    found = (walk_commits(batch, options=["--no-walk=unsorted"]) for batch in batches)
    return {commit.oid: commit for some in found for commit in some}


def shallow_boundary(cwd: Path | None = None) -> frozenset[str]:
    """The commits at which a shallow clone ends; none where history is whole."""
    folder = cwd or current_folder() or Path()
    file = folder / os.fsdecode(git("rev-parse", "--git-path", "shallow", cwd=cwd).rstrip(b"\n"))
    return frozenset(file.read_text().split()) if file.is_file() else frozenset()


class CommitDiffs(AbstractContextManager["CommitDiffs"]):
    """What commits changed, one question at a time, answered by one ``git diff-tree``.

    ``git log --raw -m`` would answer unasked, and does not tell which parent it compares a merge with.

    Args:
        pathspecs: look at matching files alone, relative to the current folder; none for all.
        renames: whether to follow files that have other names, as Git does (half alike).
    """

    def __init__(self, pathspecs: Sequence[str] = (), *, renames: bool = True) -> None:
        follow = "-M" if renames else "--no-renames"
        self._end = b"end-" + secrets.token_hex(16).encode() + b"\n"  # what is no id, git diff-tree repeats
        self._process = start_git(
            "diff-tree", "--stdin", "-r", "-z", "--raw", "--root", "--no-commit-id", "--no-abbrev", follow, "--",
            *pathspecs,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        end_git(self._process)

    def edits_between(self, commit: str, parent: str | None) -> list[Edit]:
        """What differs between a commit and one of its parents, or nothing at all (None)."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(b"%b\n%b" % (" ".join(filter(None, (commit, parent))).encode(), self._end))
        self._process.stdin.flush()
        answer = b""
        while not answer.endswith(self._end):
            piece = os.read(self._process.stdout.fileno(), _READ_SIZE)
            if not piece:
                between = f"{commit} or its parent {parent}" if parent else commit
                raise GitError(f"Git cannot read the files of the commit {between}", hint=LOSS_HINT)
            answer += piece
        return list(_parse_edits(answer.removesuffix(self._end)))


def fetch_ahead(commits: Iterable[Commit], pathspecs: Sequence[str] = ()) -> Iterator[Commit]:
    """The commits as they come. In a partial clone the blobs that they changed are brought here before, in few fetches.

    More and more at a time: who stops early has not fetched all of history.
    """
    if not find_promisor():
        yield from commits
        return
    waiting, size = iter(commits), _FIRST_FETCH
    with CommitDiffs(pathspecs, renames=False) as diffs:  # to look for renames, Git would fetch
        while batch := list(islice(waiting, size)):
            edits = [
                edit
                for commit in batch
                for parent in commit.parents or (None,)
                for edit in diffs.edits_between(commit.oid, parent)
            ]
            fetch_missing_blobs(side.oid for edit in edits for side in (edit.before, edit.after) if side)
            yield from batch
            size *= 4


def _parse_edits(answer: bytes) -> Iterator[Edit]:
    fields = iter(answer.split(b"\0")[:-1])
    for facts in fields:
        old, new, before, after, status = facts.decode().removeprefix(":").split()
        path = os.fsdecode(next(fields))
        moved = os.fsdecode(next(fields)) if status[0] in "RC" else path
        edit = Edit(_regular_version(old, path, before), _regular_version(new, moved, after))
        if edit != (None, None):
            yield edit


def _regular_version(mode: str, path: str, oid: str) -> BlobVersion | None:
    return BlobVersion(path, oid) if mode.startswith("100") else None
