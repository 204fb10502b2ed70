"""Annotated tags, pointed elsewhere: everything else of them stays, but for a signature, which would be wrong."""

from __future__ import annotations

import re
from typing import NamedTuple

from git_theta.vcs.git import AS_STORED, git

_SIGNATURE = re.compile(rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----$", re.MULTILINE)


class TagObject(NamedTuple):
    """An annotated tag.

    Attributes:
        data: all of it.
        target: the id of what it tags.
        kind: of that: ``commit``, ``tag``, ``tree``, ``blob``.
    """

    data: bytes
    target: str
    kind: str

    @property
    def is_signed(self) -> bool:
        """Whether somebody vouches for what it tags."""
        head, _, message = self.data.partition(b"\n\n")
        return b"\ngpgsig" in head or _SIGNATURE.search(message) is not None


def read_tag(oid: str) -> TagObject:
    """The tag of that id. Raises GitError."""
    data = git(AS_STORED, "cat-file", "tag", oid)
    target, kind = (line.split(b" ", 1)[1].decode() for line in data.split(b"\n", 2)[:2])
    return TagObject(data, target, kind)


def write_retargeted(tag: TagObject, target: str) -> str:
    """Store the tag, without its signature, of another object of the same kind; returns its id. Raises GitError."""
    head, blank, message = tag.data.partition(b"\n\n")
    lines = [b"object " + target.encode(), *_unsigned_lines(head)[1:]]
    signature = _SIGNATURE.search(message)
    text = b"\n".join(lines) + blank + (message[: signature.start()] if signature else message)
    return git("hash-object", "-t", "tag", "-w", "--stdin", stdin=text).decode().strip()


def _unsigned_lines(head: bytes) -> list[bytes]:
    """The lines of a header, continued ones joined, without signatures."""
    lines = re.split(rb"\n(?! )", head)
    return [line for line in lines if not line.startswith(b"gpgsig")]
