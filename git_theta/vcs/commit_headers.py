"""Rewritten commits beside their originals: they say the same, but for what a new history cannot keep."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO

from git_theta.errors import GitError
from git_theta.vcs.git import AS_STORED, run_git

_CHANGED = (b"tree", b"parent")
_NEVER_LOST = (b"author", b"committer", b"encoding")


def count_lost_headers(pairs: Iterable[tuple[str, str]]) -> Counter[str]:
    """How many of these commits (old, new) have lost a header, by its name: a signature (``gpgsig``), a ``mergetag``.

    Raises GitError where one has another author, date or message.
    """
    lost: Counter[str] = Counter()
    with tempfile.TemporaryFile() as listing:
        listing.write(b"".join(f"{old}\n{new}\n".encode() for old, new in pairs))
        listing.seek(0)
        with run_git(AS_STORED, "cat-file", "--batch", "--buffer", stdin=listing) as output:
            commits = _read_commits(output)
            for (old, before), (_, after) in zip(commits, commits, strict=True):
                lost.update(_lost_between(old, before, after))
    return lost


def _read_commits(output: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    for line in output:
        oid, kind, size = line.decode().split()
        if kind != "commit":
            raise GitError(f"{oid} is a {kind}, not a commit")
        yield oid, output.read(int(size))
        output.read(1)


def _lost_between(old: str, before: bytes, after: bytes) -> set[str]:
    lines, message = _split_commit(before)
    kept, kept_message = _split_commit(after)
    lost = {line.partition(b" ")[0] for line in lines if line not in kept}
    if message != kept_message or lost.intersection(_NEVER_LOST):
        raise GitError(
            f"commit {old} cannot be made anew with the author, the dates and the message that it has",
            hint="git fsck says what is odd about it. No branch or tag was moved.",
        )
    return {name.decode(errors="replace") for name in lost}


def _split_commit(data: bytes) -> tuple[list[bytes], bytes]:
    """The header's lines, continued ones joined, without tree and parents; and the message."""
    head, _, message = data.partition(b"\n\n")
    lines = re.split(rb"\n(?! )", head)
    return [line for line in lines if line.partition(b" ")[0] not in _CHANGED], message
