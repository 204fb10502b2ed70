"""Which objects a person wants: those of some versions, of some files in them, of some parameters in those."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.globs import name_matcher, path_filter
from git_theta.manifest.model import Entry
from git_theta.manifest.text import entry_names
from git_theta.operations.keeping.inventory import ObjectUse, needed_objects
from git_theta.repository.stored_manifests import read_manifests
from git_theta.vcs import blob_walks
from git_theta.vcs.blobs import Blob
from git_theta.vcs.path_walks import blobs_of_history, blobs_of_trees
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

    def _find_blobs(self) -> Iterator[Blob]:
        if self.everything:
            return self._choose(blob_walks.reachable_blobs(), lambda matches: blobs_of_history((), matches))
        ids = commit_ids(self.revisions)
        if any(oid.startswith("^") for oid in ids):
            found = self._choose(blob_walks.range_blobs(ids), lambda matches: blobs_of_history(ids, matches))
        else:
            found = self._choose_of_trees(ids)
        recent = recent_tips(time.time() - RECENT_DAYS * 24 * 3600) if self.recent else []
        return chain(found, self._choose_of_trees(recent)) if recent else found

    def _choose_of_trees(self, tips: list[str]) -> Iterator[Blob]:
        return self._choose(blob_walks.tree_blobs(tips), lambda matches: blobs_of_trees(tips, matches))

    def _choose(
        self, blobs: Iterator[Blob], find_matching: Callable[[Callable[[str], bool]], set[str]]
    ) -> Iterator[Blob]:
        """Those of the blobs that stand at a path that is wanted."""
        if not self.include and not self.exclude:
            return blobs
        ids = find_matching(path_filter(self.include, self.exclude))
        return (blob for blob in blobs if blob.oid in ids)
