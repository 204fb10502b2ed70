"""Which files of commits are one checkpoint: shards, by their names or by an index beside them, whichever changed."""

from __future__ import annotations

import posixpath
from functools import lru_cache

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import group_paths
from git_theta.manifest.lines import find_named_objects
from git_theta.manifest.text import is_manifest
from git_theta.operations.comparing.history_reader import WholeCheckpoint
from git_theta.vcs import trees
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commits import BlobVersion
from git_theta.vcs.partial_clone import fetch_missing_blobs

_MOST_NAMED = 1 << 20
"""Ids of objects to remember, 120 bytes each."""
_Groups = dict[str, WholeCheckpoint]
"""By the path of each of its files."""


class CheckpointListing:
    """Looks into the folders of commits, and remembers what it found there.

    ``blobs``: where folders and indexes are read.
    """

    def __init__(self, blobs: BlobReader) -> None:
        self._blobs = blobs
        self._named: dict[str, frozenset[str]] = {}
        self._list_all = lru_cache(1 << 2)(_list_files)
        self._list_folder = lru_cache(1 << 6)(blobs.list_folder)
        self._group_folder = lru_cache(1 << 6)(self._read_groups)

    def find_checkpoint(self, path: str, commit: str, parent: str | None) -> WholeCheckpoint | None:
        """The checkpoint of several files that a file is of, at a commit and before it; None for a file by itself."""
        return self._group_folder(posixpath.dirname(path), commit, parent).get(path)

    def _read_groups(self, folder: str, commit: str, parent: str | None) -> _Groups:
        files = [self._list_folder(revision, folder) if revision else {} for revision in (parent, commit)]
        indexes = [{path: self._blobs.read(oid) or b"" for path, oid in one.items() if is_index(path)} for one in files]
        before, after = group_paths(
            [(one.keys() - index.keys(), index) for one, index in zip(files, indexes, strict=True)]
        )
        found: _Groups = {}
        for key in before.keys() | after.keys():
            paths = sorted(before.get(key, ())), sorted(after.get(key, ()))
            if max(map(len, paths)) > 1:
                were, are = (
                    tuple([BlobVersion(path, one[path]) for path in group])
                    for one, group in zip(files, paths, strict=True)
                )
                whole = WholeCheckpoint(key, were, are, tuple(sorted({*paths[0], *paths[1]})))
                fetch_missing_blobs({version.oid for version in (*were, *are)})
                found |= dict.fromkeys(whole.paths, whole)
        return found

    def find_named(self, oids: set[str], commit: str, folder: str | None, ending: str) -> set[str]:
        """Those of these objects that manifests of a commit name: of files whose names end so, right in a folder (None:
        anywhere).
        """
        files = self._list_all(commit) if folder is None else self._list_folder(commit, folder)
        listed = {oid for path, oid in files.items() if path.endswith(ending)}
        if sum(map(len, self._named.values())) > _MOST_NAMED:
            self._named.clear()
        fetch_missing_blobs(listed - self._named.keys())
        for oid in listed - self._named.keys():
            text = self._blobs.read(oid) or b""
            self._named[oid] = find_named_objects(text) if is_manifest(text) else frozenset()
        return set[str]().union(*(self._named[oid] & oids for oid in listed))

    def read_indexes(self, paths: set[str], commit: str, parent: str | None) -> dict[str, bytes]:
        """The indexes in the folders of some files, at a commit; of one that is gone there, before it."""
        found: dict[str, bytes] = {}
        for revision in (parent, commit):
            for folder in {posixpath.dirname(path) for path in paths} if revision else ():
                listed = self._list_folder(revision or "", folder)
                found |= {path: self._blobs.read(oid) or b"" for path, oid in listed.items() if is_index(path)}
        return found


def _list_files(commit: str) -> dict[str, str]:
    return {path: file.oid for path, file in trees.files_of(commit).items() if file.is_regular}
