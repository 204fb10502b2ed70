"""Git LFS pointers of our objects, as a commit that a host reads and nobody checks out.

Hosts delete objects that no pointer of the repository names. So a ref of the remote has a commit whose tree has one
pointer per object, at ``aa/<oid>``: of 72,000 each folder has 280, and a push writes the folders that it touches. What
is there is known by its blob's id, which follows from oid and size, so that no pointer is ever fetched to be read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_theta.vcs.blobs import blob_id
from git_theta.vcs.git import split_nul
from git_theta.vcs.scratch_repository import ScratchRepository

_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9]\d*)\n")
_PATH = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})")
_FILE_MODES = ("100644", "100755")
_AUTHOR = "git-theta <git-theta@localhost>"
_NEW = "refs/new"
_ALGORITHMS = {40: "sha1", 64: "sha256"}


class PointerTree(NamedTuple):
    """The pointers of a commit.

    Attributes:
        tip: the commit; "" where there is none.
        blobs: object to the id of its pointer's blob.
    """

    tip: str
    blobs: Mapping[str, str]

    def lacks(self, oid: str, size: int) -> bool:
        """Whether an object has no pointer here, or another one than it should have."""
        blob = self.blobs.get(oid)
        return blob is None or blob != _pointer_id(oid, size, _ALGORITHMS[len(blob)])


def format_pointer(oid: str, size: int) -> bytes:
    """The canonical text of a Git LFS pointer."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def parse_pointer(data: bytes) -> tuple[str, int] | None:
    """Object and size of a canonical pointer; None for anything else."""
    found = _POINTER.fullmatch(data)
    return (found[1].decode(), int(found[2])) if found else None


def read_pointer_tree(scratch: ScratchRepository, tip: str) -> PointerTree:
    """The pointers of a commit of the scratch repository ("" for none); what else is in its tree is passed over."""
    blobs: dict[str, str] = {}
    if not tip:
        return PointerTree("", blobs)
    for item in split_nul(scratch.git("ls-tree", "-r", "-z", "--full-tree", tip)):
        facts, _, path = item.partition("\t")
        mode, _, blob = facts.split()
        named = _PATH.fullmatch(path)
        if named and mode in _FILE_MODES:
            blobs[named[2]] = blob
    return PointerTree(tip, blobs)


def read_pointers(scratch: ScratchRepository, tree: PointerTree) -> dict[str, int]:
    """Object to size of the pointers of a tree, all of which must be here; of what is none the size is 0."""
    wanted = list(tree.blobs.items())
    answer = scratch.git(
        "cat-file", "--batch=%(objectsize)", stdin=b"".join(b"%b\n" % blob.encode() for _, blob in wanted)
    )
    sizes, at = {}, 0
    for oid, _ in wanted:
        start = answer.index(b"\n", at) + 1
        end = start + int(answer[at : start - 1])
        pointer = parse_pointer(answer[start:end])
        sizes[oid], at = pointer[1] if pointer else 0, end + 1
    return sizes


def list_additions(scratch: ScratchRepository, tree: PointerTree, since: int) -> list[tuple[int, list[str]]]:
    """What the commits that are younger than a moment (seconds since the epoch) brought, the oldest first.

    Returns the date of each, and the objects that it brought pointers of. All commits must be here.
    """
    listing = scratch.git(
        "log", "--root", "--reverse", "--format=%x00%ct", "--name-only", "--no-renames", "--diff-filter=AM", tree.tip
    )
    found = []
    for commit in listing.decode(errors="surrogateescape").split("\0")[1:]:
        date, *names = commit.split()
        if int(date) > since:
            paths = (_PATH.fullmatch(name) for name in names)
            found.append((int(date), [path[2] for path in paths if path]))
    return found


def commit_pointers(
    scratch: ScratchRepository, tip: str, pointers: Mapping[str, int], moment: int | None = None
) -> str:
    """A commit with pointers of these objects (oid to size) beside those of ``tip``; returns its id.

    Args:
        scratch: where it is made.
        tip: its parent; "" for none.
        pointers: what is new.
        moment: its date, in seconds since the epoch; now unless given.
    """
    # No pipeline of a host has anything to do with it, should it be the tip of a branch.
    message = f"Pointers of {len(pointers):,} objects\n\n[skip ci]\n".encode()
    date = int(time.time()) if moment is None else moment
    stream = [
        f"commit {_NEW}\nmark :1\ncommitter {_AUTHOR} {date} +0000\n".encode(),
        b"data %d\n%b" % (len(message), message),
        f"from {tip}\n".encode() if tip else b"",
        *encode_pointers(pointers),
        b"get-mark :1\n",
    ]
    return scratch.git("fast-import", "--quiet", "--force", stdin=b"".join(stream)).decode().strip()


def encode_pointers(pointers: Mapping[str, int]) -> Iterator[bytes]:
    """The commands by which ``git fast-import`` adds pointers of objects (oid to size) to a commit."""
    for oid, size in sorted(pointers.items()):
        text = format_pointer(oid, size)
        yield b"M 100644 inline %b/%b\ndata %d\n%b\n" % (oid[:2].encode(), oid.encode(), len(text), text)


def _pointer_id(oid: str, size: int, algorithm: str) -> str:
    text = format_pointer(oid, size)
    return blob_id([text], len(text), algorithm)
