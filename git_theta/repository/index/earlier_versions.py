"""The versions of a checkpoint before the one that is added: where the update bases of its parameters may be.

At HEAD first: what was staged and never committed would stay in the chains of what is. The index has what HEAD has not:
a file that was renamed, or that is new. Parameters move among shards: the other files of a checkpoint are looked into.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import group_paths
from git_theta.errors import GitError, ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.raw_diff import VersionRange, list_folder

HEAD, INDEX, PARENT = (
    VersionRange(("HEAD",), ("", "HEAD")),
    VersionRange((), ("", "index"), cached=True),
    VersionRange(("HEAD^",), ("", "HEAD^")),
)
"""Versions to look into; ``PARENT`` is the first one of HEAD."""


def read_earlier(path: str, versions: Sequence[VersionRange], top: Path | None) -> Iterator[Manifest]:
    """The manifests that these versions have for a file and then for the others of its checkpoint, each once.

    What cannot be read is left out. Reads no further than somebody asks.

    Args:
        path: the file's, from the top.
        versions: nearest first.
        top: of the worktree.
    """
    seen: set[str] = set()
    for version in versions:
        with suppress(GitError):
            files = list_folder(version, posixpath.dirname(path), top)
            yield from _read_new([files[path]] if path in files else [], seen, top)
            yield from _read_new(_sibling_blobs(path, files, top), seen, top)


def _sibling_blobs(path: str, files: dict[str, str], top: Path | None) -> list[str]:
    """The ids of the blobs of the other files of a checkpoint, in the order of their paths."""
    indexes = {name: oid for name, oid in files.items() if is_index(name)}
    texts = read_wanted_blobs(indexes.values(), bool, MAX_MANIFEST, top)
    named = {name: texts[oid] for name, oid in indexes.items() if oid in texts}
    there, here = group_paths([(files, named), ([path], named)])
    key = next(iter(here), "")
    return [files[name] for name in sorted(there.get(key, ())) if name not in (path, key)]


def _read_new(oids: Sequence[str], seen: set[str], top: Path | None) -> Iterator[Manifest]:
    new = [oid for oid in oids if oid not in seen]
    seen.update(new)
    texts = read_wanted_blobs(new, is_manifest, MAX_MANIFEST, top)
    for oid in new:
        with suppress(ManifestError, KeyError):
            yield decode_manifest(texts[oid])
