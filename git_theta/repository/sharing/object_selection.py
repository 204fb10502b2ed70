"""Which objects a person wants: those of some versions, of some files in them, of some parameters in those."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.globs import name_matcher, path_filter
from git_theta.manifest.model import Entry
from git_theta.manifest.text import entry_names
from git_theta.operations.keeping.inventory import ObjectUse, needed_objects
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.vcs import blob_walks
from git_theta.vcs.blobs import Blob
from git_theta.vcs.path_walks import PathedBlob, list_history_paths, list_tree_paths
from git_theta.vcs.revisions import commit_ids, recent_tips

RECENT_DAYS = 7
"""Days since its last commit for which a branch, tag or remote-tracking branch is recent."""


class ObjectSelection(NamedTuple):
    """What a person asked for.

    Attributes:
        revisions: those whose files are wanted; of a range, all versions in it. HEAD where there is none.
        everything: every version that anything reaches, in place of those.
        recent: the tips of recent branches and tags as well.
        include, exclude: globs for paths; all files where there is none.
        parameters: globs for names; all parts of a file where there is none.
    """

    revisions: Sequence[str] = ()
    everything: bool = False
    recent: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    parameters: Sequence[str] = ()

    def find_objects(self, warn: Callable[[ManifestError], None]) -> dict[str, ObjectUse]:
        """The objects, each with a part that needs it. Raises UsageError for what is no revision and no glob."""
        return needed_objects(read_manifests(self._find_blobs(), warn), self._parameter_matcher())

    def _parameter_matcher(self) -> Callable[[Entry], bool] | None:
        if not self.parameters:
            return None
        matches = name_matcher(self.parameters)
        return lambda part: any(map(matches, entry_names(part)))

    def find_files(self) -> Iterator[Blob]:
        """The blobs that are here, each once for every path at which it stands in what is selected."""
        matches = path_filter(self.include, self.exclude)
        paths: defaultdict[str, set[str]] = defaultdict(set)
        for path, oid in self._list_paths():
            if matches(path):
                paths[oid].add(path)
        for blob in self._walk_blobs():
            rest = {blob.path} if self.everything and matches(blob.path) else set()  # of other worktrees
            yield from (blob._replace(path=path) for path in sorted(paths.get(blob.oid, rest)))

    def id_matcher(self, names: Sequence[str]) -> Callable[[str], bool]:
        """Whether a blob stood at a path that is wanted, told by its id, in the history that names reach.

        ``names``: as of ``list_history_paths``.
        """
        if not self.include and not self.exclude:
            return lambda _: True
        matches = path_filter(self.include, self.exclude)
        ids = {oid for path, oid in list_history_paths(names) if matches(path)}
        return ids.__contains__

    def _find_blobs(self) -> Iterator[Blob]:
        """Those of the blobs that stand at a path that is wanted."""
        if not self.include and not self.exclude:
            return self._walk_blobs()
        matches = path_filter(self.include, self.exclude)
        ids = {oid for path, oid in self._list_paths() if matches(path)}
        return (blob for blob in self._walk_blobs() if blob.oid in ids)

    def _walk_blobs(self) -> Iterator[Blob]:
        if self.everything:
            return blob_walks.reachable_blobs()
        ids = commit_ids(self.revisions)
        found = blob_walks.range_blobs(ids) if _is_range(ids) else blob_walks.tree_blobs(ids)
        recent = self._find_recent()
        return chain(found, blob_walks.tree_blobs(recent)) if recent else found

    def _list_paths(self) -> Iterator[PathedBlob]:
        if self.everything:
            return list_history_paths(())
        ids = commit_ids(self.revisions)
        found = list_history_paths(ids) if _is_range(ids) else list_tree_paths(ids)
        return chain(found, list_tree_paths(self._find_recent()))

    def _find_recent(self) -> list[str]:
        return recent_tips(time.time() - RECENT_DAYS * 24 * 3600) if self.recent else []


def _is_range(ids: Sequence[str]) -> bool:
    return any(oid.startswith("^") for oid in ids)
