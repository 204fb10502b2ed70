"""Objects in a Git repository: how a batch of them is named, listed and put into commits (docs/spec/objects.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

REFS = "refs/theta/objects/"
LISTING = "objects"
"""The file that lists a batch, alone in the tree of its ref's commit."""
LISTING_BYTES = 1 << 20
"""No listing has more."""
_BATCH_OBJECTS, _BATCH_BYTES = 4096, 256 << 20
"""Objects that go or come at once: they stand twice on the disk, and are lost when the line is cut."""

_PADDING = "padding"
_UNPACK_LIMIT = 100
"""Of fewer objects than this a server takes the pack apart (receive.unpackLimit): it compresses each anew, slowly, and
once more for everybody who fetches. Files without meaning fill a batch up to it."""

_LINE = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,15}) ([0-9a-f]{40}|[0-9a-f]{64})\Z")
_COMMIT = "commit {ref}\nmark :{mark}\ncommitter git-theta <git-theta@localhost> 0 +0000\ndata {size}\n{message}\n"
"""The same for everybody: who pushes the same batch pushes the same commits."""


_Item = TypeVar("_Item")


class StoredBlob(NamedTuple):
    """An object of ``size`` bytes in a Git repository, as the blob of the id ``blob``."""

    oid: str
    size: int
    blob: str


class Batch(NamedTuple):
    """Objects that were pushed together.

    Attributes:
        ref: the full name of its ref.
        listing: the text that lists them.
        blobs: them.
    """

    ref: str
    listing: bytes
    blobs: tuple[StoredBlob, ...]


def make_batch(blobs: Sequence[StoredBlob]) -> Batch:
    """The batch of some blobs, whatever order they have."""
    ordered = tuple(sorted(blobs))
    listing = "".join(f"{one.oid} {one.size} {one.blob}\n" for one in ordered).encode()
    return Batch(f"{REFS}{hashlib.sha256(listing).hexdigest()}", listing, ordered)


def parse_batch(ref: str, listing: bytes) -> Batch | None:
    """The batch of a ref; None where its name or its listing is none of ours."""
    if ref != f"{REFS}{hashlib.sha256(listing).hexdigest()}":
        return None
    lines = [_LINE.match(line) for line in listing.decode("ascii", errors="replace").splitlines()]
    blobs = [StoredBlob(line[1], int(line[2]), line[3]) for line in lines if line]
    return Batch(ref, listing, tuple(blobs)) if len(blobs) == len(lines) else None


def take_batch(items: Iterable[tuple[_Item, int]]) -> Iterator[_Item]:
    """The first of some items, given with their sizes in bytes: one at least, and as many as go at once."""
    total = 0
    for count, (item, size) in enumerate(items):
        total += size
        if count and (total > _BATCH_BYTES or count >= _BATCH_OBJECTS):
            return
        yield item


def write_commits(batch: Batch) -> bytes:
    """What has ``git fast-import`` write the two commits of a batch, whose blobs are there: them, and the listing."""
    files = "".join(f"M 100644 {one.blob} {one.oid}\n" for one in batch.blobs)
    padding = (f"{number:03}" for number in range(_UNPACK_LIMIT - len(batch.blobs)))
    files += "".join(f"M 100644 inline {_PADDING}/{text}\ndata {len(text)}\n{text}\n" for text in padding)
    inline = f"from :1\ndeleteall\nM 100644 inline {LISTING}\ndata {len(batch.listing)}\n"
    first = _write_header(batch.ref, 1, "Objects of git-theta") + files
    second = _write_header(batch.ref, 2, "What the parent holds") + inline
    return f"{first}\n{second}".encode() + batch.listing + b"\n"


def _write_header(ref: str, mark: int, message: str) -> str:
    return _COMMIT.format(ref=ref, mark=mark, size=len(message), message=message)
