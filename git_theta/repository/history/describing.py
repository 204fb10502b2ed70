"""Which commit a file, found anywhere, is a version of: told by the ids of its parts, among all manifests of history.

Git walks history once; every manifest is read once, one at a time, and what is kept of it is which of the file's parts
it has: a bit for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from enum import Enum
from functools import cache, reduce
from operator import or_
from typing import NamedTuple

from git_theta.manifest.lines import part_oids
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.streams import open_file_source
from git_theta.repository.history.checkpoint_listing import CheckpointListing
from git_theta.repository.history.found_files import FoundFile
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.blob_walks import blobs_by_commit
from git_theta.vcs.blobs import Blob, blob_id, read_contents

_MOST_EQUAL = 64
"""Versions that share equally much, of which the nearest is looked for: to compare two takes both manifests."""


class Likeness(Enum):
    """How a version is like a file."""

    BYTES = "bytes"
    TENSORS = "tensors"
    PART = "part"


class FileDescription(NamedTuple):
    """The version of a checkpoint that a file is, or that it shares most with.

    Attributes:
        commit: the first that has it.
        path: the checkpoint there, from the top: its file, or the index of its shards.
        likeness: the same bytes; the same tensors of the same names, and something else around them; or a part of them.
        shared: the names of the file's parameters that it has, values and all; they may be called otherwise there.
        lacking: those that it has not.
        size, shared_size: bytes of all parts of the file, and of the shared ones; of one without parameters, of its
            pieces.
        further: how many parameters it has beside the shared ones.
    """

    commit: str
    path: str
    likeness: Likeness
    shared: tuple[str, ...]
    lacking: tuple[str, ...]
    size: int
    shared_size: int
    further: int


class _MatchedVersion(NamedTuple):
    """A version: the commit that brought it, what it is called, its files, and which parts of ours it has."""

    commit: str
    path: str
    oids: tuple[str, ...]
    parts: int


def describe_files(
    found: Sequence[FoundFile], tips: Sequence[str], tell_absent: Callable[[str], object] = lambda _: None
) -> FileDescription | None:
    """The version that these files are, or the nearest; None where history has none of their parts.

    Args:
        found: the files of one checkpoint.
        tips: ids of the commits whose history is searched.
        tell_absent: told the id of each tree and blob that a partial clone lacks, and that was not looked at.

    Of several versions that share equally many bytes, one of the same bytes or tensors is preferred, then the one that
    has fewest others, then the first. A file that Git holds as it is counts where it has the same bytes.
    """
    wanted = _PartIndex([part for one in found for part in one.manifest.entries])
    raw = _RawFiles(found)
    with BlobReader(MAX_MANIFEST) as blobs:
        walked = raw.note_blobs(blobs_by_commit(tips, tell_absent))
        candidates = _find_candidates(wanted, walked, CheckpointListing(blobs))
        most = max((wanted.size_of(one.parts) for one in candidates), default=0)
        equal = [one for one in candidates if most and wanted.size_of(one.parts) == most][:_MOST_EQUAL]
        described = [_describe(one, found, wanted, _read_manifests(one, blobs)) for one in equal]
    ranks = list(Likeness)
    best = min(described, key=lambda one: (ranks.index(one.likeness), one.further), default=None)
    if best and best.likeness is Likeness.BYTES:
        return best
    same = raw.find_same()
    if same is None:
        return best
    names = wanted.names_of(wanted.sizes)
    return FileDescription(same.commit, same.path, Likeness.BYTES, names, (), wanted.size, wanted.size, 0)


class _MetBlob(NamedTuple):
    """A file of history: the commit that brought it, its path, and its blob."""

    commit: str
    path: str
    oid: str


class _RawFiles:
    """Blobs of the size of a file, one of which may be the file itself."""

    def __init__(self, found: Sequence[FoundFile]) -> None:
        self._file = found[0].path if len(found) == 1 else None
        self._size = self._file.stat().st_size if self._file else -1
        self._met: list[_MetBlob] = []

    def note_blobs(self, walked: Iterable[tuple[str, Blob]]) -> Iterator[tuple[str, Blob]]:
        """The blobs as they come."""
        for commit, blob in walked:
            if blob.size == self._size:
                self._met.append(_MetBlob(commit, blob.path, blob.oid))
            yield commit, blob

    def find_same(self) -> _MetBlob | None:
        """The first that has the file's bytes, which are read where one has its size."""
        source = open_file_source(self._file) if self._file and self._met else None
        if source is None:
            return None
        with closing(source):
            algorithm = "sha1" if len(self._met[0].oid) == 40 else "sha256"
            oid = blob_id(source.prefix(source.size), source.size, algorithm)
        return next((one for one in self._met if one.oid == oid), None)


class _PartIndex:
    """The parts of the file, each with a bit. Parts of the same bytes have one bit together."""

    def __init__(self, parts: Iterable[Entry]) -> None:
        self.names: dict[bytes, list[str]] = {}
        self.sizes: dict[bytes, int] = {}
        for part in parts:
            oid = part.oid.encode()
            self.sizes[oid] = self.sizes.get(oid, 0) + part.size
            self.names.setdefault(oid, []).extend([part.name] if part.name is not None else [])
        self._numbers = {oid: number for number, oid in enumerate(self.sizes)}
        self._oids = list(self.sizes)
        self.size_of = cache(self._size_of)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(self.sizes.values())

    def parts_in(self, text: bytes) -> int:
        """The bits of those parts that a manifest has."""
        flags = bytearray(len(self._oids) // 8 + 1)
        for oid in self._numbers.keys() & set(part_oids(text)):
            number = self._numbers[oid]
            flags[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(flags, "little")

    def oids_of(self, parts: int) -> list[bytes]:
        """The ids of these parts, in their order."""
        flags = parts.to_bytes(len(self._oids) // 8 + 1, "little")
        return [oid for number, oid in enumerate(self._oids) if flags[number >> 3] >> (number & 7) & 1]

    def _size_of(self, parts: int) -> int:
        """Bytes of these parts."""
        return sum(self.sizes[oid] for oid in self.oids_of(parts))

    def names_of(self, oids: Iterable[bytes]) -> tuple[str, ...]:
        """What the parameters among the parts of these ids are called."""
        return tuple([name for oid in oids for name in self.names[oid]])


def _find_candidates(
    wanted: _PartIndex, walked: Iterable[tuple[str, Blob]], listing: CheckpointListing
) -> list[_MatchedVersion]:
    """The versions that have any of the parts, the oldest first; those of several files whole."""
    # The commit travels before the path, through the listing that Git is given: no memory holds all of history's blobs.
    marked = (blob._replace(path=f"{commit} {blob.path}") for commit, blob in walked)
    parts: dict[str, int] = {}
    met: list[_MetBlob] = []
    for blob, data, _ in read_contents(marked, is_manifest, MAX_MANIFEST):
        if is_manifest(data) and (some := wanted.parts_in(data)):
            commit, _, path = blob.path.partition(" ")
            parts[blob.oid] = some
            met.append(_MetBlob(commit, path, blob.oid))
    found: dict[tuple[str, str], _MatchedVersion] = {}
    for commit, path, oid in met:
        whole = listing.find_checkpoint(path, commit, None)
        name, oids = (whole.path, tuple([one.oid for one in whole.after])) if whole else (path, (oid,))
        together = reduce(or_, (parts.get(one, 0) for one in oids))
        found.setdefault((commit, name), _MatchedVersion(commit, name, oids, together))
    return list(found.values())


def _read_manifests(candidate: _MatchedVersion, blobs: BlobReader) -> list[Manifest]:
    return [decode_manifest(text) for oid in candidate.oids if is_manifest(text := blobs.read(oid) or b"")]


def _describe(
    candidate: _MatchedVersion, found: Sequence[FoundFile], wanted: _PartIndex, there: Sequence[Manifest]
) -> FileDescription:
    ours = [one.manifest for one in found]
    likeness = Likeness.PART
    if sorted(map(_identify_bytes, ours)) == sorted(map(_identify_bytes, there)):
        likeness = Likeness.BYTES
    elif _identify_tensors(ours) == _identify_tensors(there) and not any(one.is_opaque for one in ours):
        likeness = Likeness.TENSORS
    shared = wanted.oids_of(candidate.parts)
    known = set(shared)
    return FileDescription(
        candidate.commit,
        candidate.path,
        likeness,
        wanted.names_of(shared),
        wanted.names_of(oid for oid in wanted.sizes if oid not in known),
        wanted.size,
        wanted.size_of(candidate.parts),
        sum(part.oid.encode() not in known for one in there for part in one.parameters()),
    )


def _identify_bytes(manifest: Manifest) -> tuple[int, tuple[str, ...]]:
    """What is equal where the files are, byte for byte, and were laid out alike."""
    return manifest.size, tuple([part.oid for part in manifest.parts()])


def _identify_tensors(manifests: Iterable[Manifest]) -> list[tuple[str, str, str, str]]:
    """What is equal where the parameters are: in whatever order and files."""
    return sorted(
        (part.name or "", part.oid, part.dtype, repr((part.shape, part.views)))
        for one in manifests
        for part in one.parameters()
    )
