"""Blobs by name: one of them, a set, or a stream; ``blob_reader`` reads one after the other, as somebody asks.

All go through ``git cat-file``, which tells sizes first: what is larger than asked for is never inflated into memory.
Where a partial clone lacks a blob that is named here, Git fetches it, as it does for its own commands; the walks of
``blob_walks`` name none of those.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

from git_theta.errors import UsageError
from git_theta.vcs.blob_losses import refuse_loss, require_partial_clone
from git_theta.vcs.cat_file import MISSING, query_git, read_exactly, spell_question
from git_theta.vcs.git import AS_STORED, current_folder, end_git, git, open_scratch, run_git, start_git
from git_theta.vcs.partial_clone import fetch_missing_blobs

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
    """A blob, and what was asked for of it: all of it (``whole``), or no more than its first PEEK_SIZE bytes."""

    blob: Blob
    data: bytes
    whole: bool


def read_blob(name: str, cwd: Path | None = None) -> bytes | None:
    """The blob called ``name`` (an id or ``rev:path``, newlines allowed), or None.

    Raises GitError for one that Git cannot read, as ``read_one_blob`` does.
    """
    where = cwd or current_folder()
    done = subprocess.run(["git", "cat-file", "blob", name], cwd=where, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode == 0:
        return done.stdout
    refuse_loss(name, cwd)
    return None


def read_small_blob(name: str, largest: int, cwd: Path | None = None) -> bytes | None:
    """The blob called ``name`` (``rev:path``), or None.

    Raises UsageError, with the path, for one of more than ``largest`` bytes; GitError as ``read_one_blob`` does.
    """
    found = read_one_blob(name, lambda _: True, largest, cwd)
    if found and not found.whole:
        raise UsageError(f"has more than {largest} bytes: it is not read", path=name.partition(":")[2])
    return found and found.data


def blob_id(content: Iterable[bytes | bytearray | memoryview], size: int, algorithm: str) -> str:
    """The id that a blob of this content, of ``size`` bytes, has in a repository of that hash."""
    digest = hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)
    for block in content:
        digest.update(block)
    return digest.hexdigest()


def read_one_blob(
    name: str, wanted: Callable[[bytes], bool], largest: int, cwd: Path | None = None
) -> BlobContent | None:
    """The blob of that name, or None; whole where it has at most ``largest`` bytes and begins as ``wanted``.

    Raises GitError, with its id, for one that Git cannot read: it is damaged, lost, or a partial clone could not fetch
    it. Of the index that is None, too: `git add` puts another one there.
    """
    process, question = start_git("cat-file", "--batch", cwd=cwd), spell_question(name, cwd)
    try:
        # In the folder of a bare repository, say, which has no index, it is "missing", too.
        answer = query_git(process, question)
        words = answer.split()
        if words[1:2] != [b"blob"]:
            if answer.endswith(MISSING):
                refuse_loss(question, cwd)
            return None
        assert process.stdout
        blob = Blob(words[0].decode(), int(words[2]), "")
        head = read_exactly(process.stdout, min(blob.size, PEEK_SIZE), blob.oid)
        whole = len(head) == blob.size or (blob.size <= largest and wanted(head))
        rest = read_exactly(process.stdout, blob.size - len(head), blob.oid) if whole else b""
        return BlobContent(blob, head + rest, whole)
    finally:
        process.kill()  # it may have much to say still
        end_git(process)


def read_wanted_blobs(
    oids: Iterable[str], wanted: Callable[[bytes], bool], largest: int, cwd: Path | None = None
) -> dict[str, bytes]:
    """The blobs of at most ``largest`` bytes that are ``wanted``, which is told how they begin, by their ids.

    What a partial clone has left out is left out here, too. Raises GitError, with its id, for what cannot be read.
    """
    return dict(iterate_wanted_blobs(oids, wanted, largest, cwd))


def iterate_wanted_blobs(
    oids: Iterable[str], wanted: Callable[[bytes], bool], largest: int, cwd: Path | None = None
) -> Iterator[tuple[str, bytes]]:
    """As ``read_wanted_blobs``, one at a time, for callers that keep something smaller of each."""
    listed = sorted(set(oids))
    names = b"".join(oid.encode() + b"\n" for oid in listed)
    if not names:
        return
    fetch_missing_blobs(listed, cwd)
    form = "--batch-check=%(objectname) %(objectsize) %(objecttype)"
    found = [line.split() for line in git("cat-file", form, cwd=cwd, stdin=names).decode().splitlines()]
    if lost := [words[0] for words in found if words[1:] == ["missing"]]:
        require_partial_clone(lost[0], cwd)
    blobs = [Blob(oid, int(size), "") for oid, size, kind in (words for words in found if words[2:] == ["blob"])]
    for one in read_contents(blobs, wanted, largest, cwd):
        if one.whole and wanted(one.data):
            yield one.blob.oid, one.data


def read_contents(
    blobs: Iterable[Blob],
    wanted: Callable[[bytes], bool],
    largest: int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[BlobContent]:
    """Each blob of at most ``largest`` bytes, one at a time: whole when its first PEEK_SIZE bytes are ``wanted``.

    ``env``: the environment that says which repository, where it is another one than ours.
    """
    # A list is of a few blobs; what walks may have those of all of history.
    with open_scratch(in_memory=isinstance(blobs, list)) as listing:
        for blob in blobs:
            if blob.size <= largest:
                listing.write(b"%s %s\n" % (blob.oid.encode(), os.fsencode(blob.path)))
        listing.seek(0)
        form = "--batch=%(objectname) %(objectsize) %(rest)"
        with run_git(AS_STORED, "cat-file", "--buffer", form, stdin=listing, cwd=cwd, env=env) as output:
            for line in output:
                words = line.rstrip(b"\n").split(b" ", 2)
                if len(words) == 3:  # not "OID missing": collected by a gc since
                    yield _read_content(Blob(words[0].decode(), int(words[1]), os.fsdecode(words[2])), wanted, output)


def _read_content(blob: Blob, wanted: Callable[[bytes], bool], output: IO[bytes]) -> BlobContent:
    head = read_exactly(output, min(blob.size, PEEK_SIZE), blob.oid)
    left = blob.size - len(head)
    whole = not left or wanted(head)
    data = BytesIO()  # whose value is no copy
    data.write(head)
    while left:
        block = read_exactly(output, min(left, PEEK_SIZE), blob.oid)
        left -= len(block)
        data.write(block if whole else b"")
    output.read(1)  # Git ends each blob with a newline
    return BlobContent(blob, data.getvalue(), whole)
