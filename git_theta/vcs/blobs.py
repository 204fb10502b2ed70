"""The blobs that Git's history and indexes hold, walked by Git itself and told apart by how they begin.

Nothing here has Git fetch what a partial clone left out: such blobs are skipped. Paths come as Git's walk prints them:
up to the first newline in them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import git, scrubbed_environment

PEEK_SIZE = 1 << 20
"""Bytes of a blob by which it is judged."""


class Blob(NamedTuple):
    """A blob by name.

    Attributes:
        oid: its id.
        size: in bytes.
        path: one of the paths that lead to it; "" where the walk met it without one.
    """

    oid: str
    size: int
    path: str


class BlobContent(NamedTuple):
    """A blob, and what was asked for of it: all of it (``whole``), or no more than its first HEAD bytes."""

    blob: Blob
    data: bytes
    whole: bool


def reachable_blobs() -> Iterator[Blob]:
    """Every blob of refs, HEADs, reflogs (stashes are one) and indexes, conflict stages included, of all worktrees."""
    return _walk_blobs(["--all", "--reflog", "--indexed-objects"], [])


def indexed_blobs() -> Iterator[Blob]:
    """Every blob of the index, conflict stages included; other worktrees' come along."""
    return _walk_blobs(["--indexed-objects"], [])


def unpushed_blobs(there: Iterable[str], tips: Iterable[str], *, tracking: str = "") -> Iterator[Blob]:
    """The blobs that ``tips`` reach and a remote has not.

    Args:
        there: ids that the remote has; those unknown here are no help, and no error.
        tips: ids of what is pushed.
        tracking: name of a remote: what its remote-tracking branches reach is there as well.
    """
    names = [*tips, *(f"^{oid}" for oid in there)]
    known = ["--not", f"--remotes={tracking}"] if tracking else []
    return _walk_blobs(["--ignore-missing", "--stdin", *known], names)


def ref_tips(repository: Path) -> list[str]:
    """The ids that the refs of another repository on this machine point at."""
    return git("for-each-ref", "--format=%(objectname)", cwd=repository, env=scrubbed_environment()).decode().split()


def read_contents(blobs: Iterable[Blob], wanted: Callable[[bytes], bool], largest: int) -> Iterator[BlobContent]:
    """Each blob of at most ``largest`` bytes, one at a time: whole when its first HEAD bytes are ``wanted``."""
    with tempfile.TemporaryFile() as listing:
        for blob in blobs:
            if blob.size <= largest:
                listing.write(b"%s %s\n" % (blob.oid.encode(), os.fsencode(blob.path)))
        listing.seek(0)
        form = "--batch=%(objectname) %(objectsize) %(rest)"
        with _run_git("cat-file", "--buffer", form, stdin=listing) as output:
            for line in output:
                words = line.rstrip(b"\n").split(b" ", 2)
                if len(words) == 3:  # not "OID missing": collected by a gc since
                    yield _read_content(Blob(words[0].decode(), int(words[1]), os.fsdecode(words[2])), wanted, output)


def _read_content(blob: Blob, wanted: Callable[[bytes], bool], output: IO[bytes]) -> BlobContent:
    head = output.read(min(blob.size, PEEK_SIZE))
    left = blob.size - len(head)
    whole = not left or wanted(head)
    data = head + output.read(left) if whole and left else head
    left = 0 if whole else left
    while left:
        left -= len(output.read(min(left, PEEK_SIZE)))
    output.read(1)  # Git ends each blob with a newline
    return BlobContent(blob, data, whole)


def _walk_blobs(arguments: list[str], names: list[str]) -> Iterator[Blob]:
    with tempfile.TemporaryFile() as listing:
        listing.write(b"".join(name.encode() + b"\n" for name in names))
        listing.seek(0)
        # --missing: a walk that stumbles over what a partial clone left out would else fetch it.
        walk = _run_git("rev-list", "--objects", "--missing=print", *arguments, stdin=listing)
        form = "--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)"
        with walk as objects, _run_git("cat-file", "--buffer", form, stdin=objects) as output:
            for line in output:
                if line.startswith(b"blob "):
                    _, size, oid, path = line.rstrip(b"\n").split(b" ", 3)
                    yield Blob(oid.decode(), int(size), os.fsdecode(path))


@contextmanager
def _run_git(*args: str, stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """The standard output of ``git ARGS``. Raises GitError with git's words, at the end, when it fails."""
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(["git", *args], stdin=stdin, stdout=subprocess.PIPE, stderr=words) as process,
    ):
        assert process.stdout
        try:
            yield process.stdout
        except BaseException:  # nobody reads what it still has to say
            process.kill()
            raise
        if process.wait():
            words.seek(0)
            raise GitError(f"git {args[0]} failed: {words.read().decode(errors='replace').strip()}")
