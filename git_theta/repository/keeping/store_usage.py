"""What takes space in a repository's store: by checkpoint, commit or update; and what a clone needs, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Literal, NamedTuple

from git_theta.errors import ManifestError, UsageError
from git_theta.operations.keeping.inventory import needed_objects, object_sizes
from git_theta.operations.keeping.usage import UsageTable, measure_checkpoints, measure_commits, measure_updates
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.sharing.object_selection import ObjectSelection
from git_theta.repository.stores.object_stores import open_own_stores
from git_theta.vcs import blob_walks
from git_theta.vcs.blobs import Blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import commit_ids

UsageKey = Literal["checkpoint", "commit", "update"]
"""What a row of a table is for."""

Warn = Callable[[ManifestError], None]


class StoreTotals(NamedTuple):
    """Objects and their bytes: all that the repository itself has, and those that nothing needs."""

    objects: int
    bytes: int
    unneeded: int
    unneeded_bytes: int


def measure_selection(selection: ObjectSelection, by: UsageKey, warn: Warn) -> UsageTable:
    """What the selected versions need; by commit, what each commit of their history brought.

    ``warn`` is told of manifests that cannot be read. Raises UsageError for what is no revision.
    """
    if by == "checkpoint":
        return measure_checkpoints(read_manifests(selection.find_files(), warn, by_path=True))
    if by == "update":
        return measure_updates(read_manifests(selection.find_files(), warn))
    return _measure_history(selection, warn)


def clone_objects(warn: Warn) -> dict[str, int] | None:
    """The objects (oid to size) that a checkout of HEAD needs; None where there is no commit yet."""
    try:
        tips = commit_ids(())
    except UsageError:
        return None
    return object_sizes(needed_objects(read_manifests(blob_walks.tree_blobs(tips), warn)))


def measure_store(repository: Repository, needed: Set[str]) -> StoreTotals:
    """What the repository's own stores have, and what of it is not among what is needed."""
    totals = StoreTotals(0, 0, 0, 0)
    for store in open_own_stores(repository):
        for oid in store.oids():
            size, unneeded = store.size(oid) or 0, oid not in needed
            totals = StoreTotals(
                totals.objects + 1,
                totals.bytes + size,
                totals.unneeded + unneeded,
                totals.unneeded_bytes + size * unneeded,
            )
    return totals


def _measure_history(selection: ObjectSelection, warn: Warn) -> UsageTable:
    names = [] if selection.everything else commit_ids(selection.revisions)
    excluded = [name.removeprefix("^") for name in names if name.startswith("^")]
    before = needed_objects(read_manifests(blob_walks.tree_blobs(excluded), warn)).keys() if excluded else ()
    wanted = selection.id_matcher(names)
    commits: dict[str, str] = {}

    def list_blobs() -> Iterator[Blob]:
        for commit, blob in blob_walks.blobs_by_commit(names):
            if wanted(blob.oid):
                commits[blob.oid] = commit
                yield blob
        if selection.everything:  # what is staged is in no commit yet
            yield from (one for one in blob_walks.reachable_blobs() if one.oid not in commits and wanted(one.oid))

    manifests = read_manifests(list_blobs(), warn)
    return measure_commits(manifests, lambda blob: commits.get(blob, ""), before)
