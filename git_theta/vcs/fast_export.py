"""Git's stream of a history (git-fast-import(1)), read and written: commits, and what each changed, in bytes.

What is read is what ``git fast-export`` prints with :data:`OPTIONS`: no blobs, ids of what is there, no renames.
What is written is what ``git fast-import`` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.quoting import QUOTED, quote, unquote

OPTIONS = ("--no-data", "--show-original-ids", "--use-done-feature", "--reencode=no", "--signed-tags=strip")
"""Of ``git fast-export``: blobs stay where they are, and messages keep their bytes."""
ATTRIBUTES_NAME = b".gitattributes"

_PASSED_OVER = (b"reset ", b"from ", b"feature ", b"progress ")
_QUOTED_BYTES = re.compile(rb'^"|[\0-\x1f]')


class FileChange(NamedTuple):
    """What a commit does to one path.

    Attributes:
        path: from the top.
        mode: as Git has it, ``100644``; b"" where the path goes.
        content: the id of a blob or of a submodule's commit, or the mark of a blob (``:7``).
    """

    path: bytes
    mode: bytes = b""
    content: bytes = b""

    @property
    def is_regular(self) -> bool:
        """Whether a file is written that is neither a link nor a submodule."""
        return self.mode.startswith(b"100")


class ExportedCommit(NamedTuple):
    """A commit of the stream.

    Attributes:
        mark: how the stream calls it, ``:7``.
        original: its id in the repository that it comes from.
        author, committer: name, address and date as the commit has them; an author may be missing.
        encoding: of the message, where it is not UTF-8.
        message: its bytes.
        parents: marks, or ids of commits that are not in the stream.
        changes: against the first parent, or against nothing.
    """

    mark: bytes
    original: bytes
    author: bytes
    committer: bytes
    encoding: bytes
    message: bytes
    parents: tuple[bytes, ...]
    changes: tuple[FileChange, ...]


def parse_commits(stream: IO[bytes]) -> Iterator[ExportedCommit]:
    """The commits of a stream, parents before children.

    Raises GitError where it ends early, or holds what our options do not ask for.
    """
    lines = _Lines(stream)
    while (line := lines.take()) is not None:
        if line.startswith(b"commit "):
            yield _parse_commit(lines)
        elif line == b"done":
            return
        elif line and not line.startswith(_PASSED_OVER):
            raise GitError(f"git fast-export printed {line[:80]!r}, which this release does not know")
    raise GitError("git fast-export ended early")


def format_commit(commit: ExportedCommit, branch: bytes) -> bytes:
    """The commands that make a commit, as the tip of a branch.

    All that goes, goes first: a file may then stand where a folder was, and the other way round.
    """
    first, *others = commit.parents or (b"",)
    changes = sorted(commit.changes, key=lambda change: bool(change.mode))
    return b"".join(
        [
            b"" if first else b"reset %b\n\n" % branch,  # or else the last commit would be its parent
            b"commit %b\nmark %b\n" % (branch, commit.mark),
            b"original-oid %b\n" % commit.original if commit.original else b"",
            b"author %b\n" % commit.author if commit.author else b"",
            b"committer %b\n" % commit.committer,
            b"encoding %b\n" % commit.encoding if commit.encoding else b"",
            b"data %d\n%b\n" % (len(commit.message), commit.message),
            b"from %b\n" % first if first else b"",
            *(b"merge %b\n" % parent for parent in others),
            *map(_format_change, changes),
            b"\n",
        ]
    )


_LONGEST_SIZE = 18
"""Digits of a size: more are beyond what a file can have, and what Python reads."""


class _Lines:
    """The lines of a stream without their ends; one can be looked at before it is taken."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._next: bytes | None = None

    def peek(self) -> bytes:
        """The next line; b"" at the end, too."""
        if self._next is None:
            self._next = self._stream.readline()
            if self._next and not self._next.endswith(b"\n"):
                raise GitError("git fast-export ended early")
        return self._next.removesuffix(b"\n")

    def take(self) -> bytes | None:
        """The next line; None at the end."""
        line = self.peek()
        ended, self._next = not self._next, None
        return None if ended else line

    def take_value(self, word: bytes) -> bytes:
        """What follows ``word`` on the next line, which is taken then; b"" where it begins otherwise."""
        if not self.peek().startswith(word + b" "):
            return b""
        return (self.take() or b"").removeprefix(word + b" ")

    def take_data(self) -> bytes:
        """What a ``data`` command holds."""
        size = self.take_value(b"data")
        if not size.isdigit() or len(size) > _LONGEST_SIZE:
            raise GitError(f"git fast-export printed {self.peek()[:80]!r} where a message should be")
        data = self._stream.read(int(size))
        if len(data) < int(size):
            raise GitError("git fast-export ended early")
        return data


def _parse_commit(lines: _Lines) -> ExportedCommit:
    mark, original = lines.take_value(b"mark"), lines.take_value(b"original-oid")
    author, committer = lines.take_value(b"author"), lines.take_value(b"committer")
    while lines.take_value(b"gpgsig"):  # of newer releases: it signs what is about to change
        lines.take_data()
    encoding, message = lines.take_value(b"encoding"), lines.take_data()
    if not lines.peek():  # a newline that may follow
        lines.take()
    parents = [lines.take_value(b"from")]
    while parent := lines.take_value(b"merge"):
        parents.append(parent)
    changes = []
    while line := lines.peek():
        if line[:2] not in (b"M ", b"D "):
            break
        changes.append(_parse_change(line))
        lines.take()
    return ExportedCommit(
        mark, original, author, committer, encoding, message, tuple(filter(None, parents)), tuple(changes)
    )


def _parse_change(line: bytes) -> FileChange:
    kind, _, rest = line.partition(b" ")
    if kind == b"D":
        return FileChange(_parse_path(rest))
    words = rest.split(b" ", 2)
    if len(words) != 3:
        raise GitError(f"git fast-export printed {line[:80]!r} where a file should be")
    mode, content, path = words
    return FileChange(_parse_path(path), mode, content)


def _parse_path(written: bytes) -> bytes:
    quoted = QUOTED.fullmatch(written)
    return unquote(quoted[1]) if quoted else written


def _format_change(change: FileChange) -> bytes:
    path = quote(change.path) if _QUOTED_BYTES.search(change.path) else change.path
    return b"M %b %b %b\n" % (change.mode, change.content, path) if change.mode else b"D %b\n" % path
