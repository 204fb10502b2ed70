"""What the versions of a file are, as Git holds them: the file itself, a pointer, a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from git_theta.errors import GitError, ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, is_manifest
from git_theta.operations.foreign import detect_pointer
from git_theta.repository.migrating.lfs_objects import LONGEST_POINTER, LfsPointer, read_lfs_pointer
from git_theta.vcs.blobs import Blob, read_contents
from git_theta.vcs.git import git
from git_theta.vcs.partial_clone import fetch_missing_blobs

BlobKind = Literal["raw", "lfs", "manifest", "empty", "foreign"]
"""``foreign``: a text that stands for a file in a way that nothing here can follow."""


class BlobFacts(NamedTuple):
    """What a blob is.

    Attributes:
        kind: in a word.
        size: bytes of the file that it is, or stands for.
        pointer: what it says, where it is one.
        reason: why it cannot be followed.
    """

    kind: BlobKind
    size: int
    pointer: LfsPointer | None = None
    reason: str = ""


def read_blob_facts(oids: Iterable[str], largest: int) -> dict[str, BlobFacts]:
    """What these blobs are. Those of more than ``largest`` bytes are not read, and taken for files. Raises GitError."""
    wanted = sorted(set(oids))
    if not wanted:
        return {}
    fetch_missing_blobs(wanted)
    names = b"".join(oid.encode() + b"\n" for oid in wanted)
    lines = git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=names).decode().splitlines()
    sizes = {oid: int(size) for oid, size in (line.split() for line in lines) if size != "missing"}
    if len(sizes) < len(wanted):
        lost = min(set(wanted) - sizes.keys())
        raise GitError(f"the blob {lost} is not here", hint="git fsck says what else is missing.")
    facts = {oid: BlobFacts("raw" if size else "empty", size) for oid, size in sizes.items()}
    listed = [Blob(oid, size, "") for oid, size in sizes.items()]
    for one in read_contents(listed, is_manifest, largest):
        if is_manifest(one.data) and (manifest := try_manifest(one.data)):
            facts[one.blob.oid] = BlobFacts("manifest", manifest.size)
        elif len(one.data) <= LONGEST_POINTER and one.whole:
            facts[one.blob.oid] = _read_short(one.data)
    return facts


def try_manifest(text: bytes) -> Manifest | None:
    """The manifest that a text is; None for one that cannot be read."""
    try:
        return decode_manifest(text)
    except ManifestError:
        return None


def _read_short(data: bytes) -> BlobFacts:
    if pointer := read_lfs_pointer(data):
        return BlobFacts("lfs", pointer.size, pointer)
    if found := detect_pointer(data):
        return BlobFacts("foreign", len(data), reason=found.what)
    return BlobFacts("raw" if data else "empty", len(data))
