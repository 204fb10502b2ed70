"""Every object that anything in a repository may come to need: the one answer to what must not be deleted.

That is what manifests and pointers name: those that Git holds in refs, reflogs, stashes and indexes of all worktrees,
and in what merges, rebases and the like have noted; those that stand in worktrees in the place of files; and those that
are noted of conflicts. What comes and goes fastest is read first: where it goes to is looked at after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from git_theta.errors import GitError, ManifestError, ThetaError
from git_theta.manifest.model import Manifest
from git_theta.operations.keeping.inventory import needed_objects
from git_theta.operations.merging.conflicts import read_noted_files
from git_theta.operations.worktree_files import find_regular_file, read_manifest_file
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.stores.opening import conflicts_dir
from git_theta.store.base import is_oid
from git_theta.vcs import blob_walks, worktrees
from git_theta.vcs.blobs import Blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.noted_ids import noted_ids
from git_theta.vcs.partial_clone import find_missing, find_promisor
from git_theta.vcs.pointer_tree import parse_pointer
from git_theta.vcs.revisions import id_digits
from git_theta.words import pluralize

_STOPPED = "Nothing is deleted as long as nobody can tell what it needs."


def find_needed_objects(repository: Repository, *, complete: bool = True) -> set[str]:
    """The ids of the objects that anything in the repository may need.

    ``complete``: whether manifests that a partial clone has left out are an error; else they are passed over.

    Raises ManifestError for one that cannot be read, with its path, or that is not here; GitError where Git has lost
    something. Memory: 1 kB for each object, and 200 bytes for each distinct line of manifests.
    """
    git_dirs = worktrees.worktree_git_dirs(repository.common_dir)
    ids = noted_ids(git_dirs)
    needed = {oid for oid in ids if is_oid(oid)}  # in patches
    for manifest in chain(_noted_manifests(repository, git_dirs), _waiting_manifests(repository)):
        needed.update(manifest.objects())
    absent: list[str] = []

    def keep_pointed(data: bytes) -> None:
        if pointer := parse_pointer(data):
            needed.add(pointer[0])

    blobs = _list_blobs(_select_present(ids), absent.append)
    needed |= needed_objects(read_manifests(blobs, _stop_at_unreadable, tell_other=keep_pointed)).keys()
    if absent and (complete or not find_promisor()):
        raise _absent_error(absent)
    return needed


def _noted_manifests(repository: Repository, git_dirs: list[Path]) -> Iterator[Manifest]:
    for git_dir in git_dirs:
        yield from read_noted_files(conflicts_dir(repository._replace(git_dir=git_dir)))


def _waiting_manifests(repository: Repository) -> Iterator[Manifest]:
    """The manifests that stand in worktrees, whatever Git thinks of the files."""
    for top in worktrees.worktree_tops(repository):
        for path in worktrees.worktree_files(top, repository):
            file = find_regular_file(top, path)
            try:
                found = read_manifest_file(file) if file else None
            except FileNotFoundError:
                continue
            except ThetaError as error:
                raise _stopped_error(error, str(file)) from error
            if found:
                yield found.manifest


def _list_blobs(ids: list[str], tell_absent: Callable[[str], object]) -> Iterator[Blob]:
    """The blobs of indexes, then all that are reachable: what is committed or stashed meanwhile is not missed."""
    seen = set()
    for blob in blob_walks.indexed_blobs():
        seen.add(blob.oid)
        yield blob
    yield from (blob for blob in blob_walks.reachable_blobs(ids, tell_absent) if blob.oid not in seen)


def _select_present(ids: set[str]) -> list[str]:
    """Those of noted ids that name an object which is here. What is not is no loss: Git deletes it as well."""
    digits = id_digits()
    named = sorted(oid for oid in ids if len(oid) == digits)
    missing = set(find_missing(named)) if named else set()
    return [oid for oid in named if oid not in missing]


def _stop_at_unreadable(error: ManifestError) -> None:
    raise _stopped_error(error, error.path) from error


def _stopped_error(error: ThetaError, path: str) -> ManifestError:
    message = error.message.removesuffix(", not checked")
    return ManifestError(message, hint=f"{_STOPPED} {error.hint}".rstrip(), path=path)


def _absent_error(absent: list[str]) -> ThetaError:
    if promisor := find_promisor():
        return ManifestError(
            f"this partial clone has left out {pluralize(len(absent), 'object')} of Git's, which may be manifests",
            hint=f"{_STOPPED}\nTo delete what a remote is sure to have: git theta gc --verify-remote {promisor}",
        )
    return GitError(f"Git has lost {absent[0]}, which may be a manifest", hint=f"{_STOPPED} What is lost: git fsck")
