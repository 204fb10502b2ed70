"""Git's history, read by few processes however long it is: its commits, what each changed, and the blobs of that."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import git

_FORMAT = "%H%x00%P%x00%aN%x00%aE%x00%aI%x00%ad%x00%s%x00%D"
_FIELDS = _FORMAT.count("%x00") + 1
_READ_SIZE = 1 << 16
_CACHED_BLOBS = 64  # blobs: a walk meets each once as what was before, and once as what was after


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
        "git", "-c", "log.follow=false", "log", "-z", f"--format=tformat:{_FORMAT}", "--date-order", "--full-history",
        "--encoding=UTF-8", "--no-show-signature", "--no-color", *options, *revisions, "--", *pathspecs,
    ]  # fmt: skip
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words) as process,
    ):
        assert process.stdout
        try:
            fields = _read_fields(process.stdout)
            for oid in fields:
                parents, author, email, time, date, subject, refs = (next(fields) for _ in range(_FIELDS - 1))
                yield Commit(
                    oid, tuple(parents.split()), author, email, time, date, subject, refs, oid in boundary
                )  # fmt: skip
        except BaseException:  # nobody reads what it still has to say
            process.kill()
            raise
        if process.wait():
            words.seek(0)
            raise GitError(f"git log failed: {words.read().decode(errors='replace').strip()}")


def shallow_boundary() -> frozenset[str]:
    """The commits at which a shallow clone ends."""
    file = Path(os.fsdecode(git("rev-parse", "--git-path", "shallow").rstrip(b"\n")))
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
        self._process = _start_git(
            "diff-tree", "--stdin", "-r", "-z", "--raw", "--root", "--no-commit-id", "--no-abbrev", follow, "--",
            *pathspecs,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        _end_git(self._process)

    def edits_between(self, commit: str, parent: str | None) -> list[Edit]:
        """What differs between a commit and one of its parents, or nothing at all (None)."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(b"%b\n%b" % (" ".join(filter(None, (commit, parent))).encode(), self._end))
        self._process.stdin.flush()
        answer = b""
        while not answer.endswith(self._end):
            piece = os.read(self._process.stdout.fileno(), _READ_SIZE)
            if not piece:
                raise GitError("git diff-tree ended early")
            answer += piece
        return list(_parse_edits(answer.removesuffix(self._end)))


class BlobReader(AbstractContextManager["BlobReader"]):
    """Blobs by id or ``REV:PATH``, one at a time; those of more than ``largest`` bytes are not read."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._sizes = _start_git("cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)")
        self._contents = _start_git("cat-file", "--batch")
        self.read: Callable[[str], bytes | None] = lru_cache(maxsize=_CACHED_BLOBS)(self._read)
        """The bytes of the blob of that id; None where there is none, or it is too large."""

    def __exit__(self, *_: object) -> None:
        _end_git(self._sizes)
        _end_git(self._contents)

    def find(self, name: str) -> tuple[str, int] | None:
        """Id and size of the blob of that name, or None."""
        if "\n" in name:  # which ends a question to `git cat-file`
            name = _resolve_id(name)
        words = _query_git(self._sizes, name).split()
        return (words[2].decode(), int(words[1])) if words[:1] == [b"blob"] else None

    def _read(self, oid: str) -> bytes | None:
        found = self.find(oid)
        if found is None or found[1] > self._largest:
            return None
        assert self._contents.stdout
        _query_git(self._contents, oid)
        content: bytes = self._contents.stdout.read(found[1])
        self._contents.stdout.read(1)
        return content


def _resolve_id(name: str) -> str:
    """The id of an object, or what names none."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()
    except GitError:
        return "-"


def _start_git(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["git", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _query_git(process: subprocess.Popen[bytes], line: str) -> bytes:
    assert process.stdin and process.stdout
    process.stdin.write(os.fsencode(line) + b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def _end_git(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin and process.stdout
    process.stdout.close()
    process.stdin.close()
    process.wait()


def _read_fields(output: IO[bytes]) -> Iterator[str]:
    """The NUL-terminated texts of a stream, as they come."""
    left = b""
    while piece := os.read(output.fileno(), _READ_SIZE):
        *whole, left = (left + piece).split(b"\0")
        yield from (text.decode(errors="surrogateescape") for text in whole)


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
