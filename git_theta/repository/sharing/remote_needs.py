"""What the versions on a remote need: everything that its refs reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from git_theta.errors import ManifestError
from git_theta.operations.keeping.inventory import needed_objects, object_sizes
from git_theta.repository.history.stored_manifests import read_manifests
from git_theta.repository.sharing.pointers import open_pointer_scratch
from git_theta.vcs.blob_walks import tip_blobs
from git_theta.vcs.discovery import Repository
from git_theta.vcs.scratch_repository import ScratchRepository

THERE = "refs/there/"
"""Where the remote's refs are in the scratch repository."""
_OBJECTS = "refs/theta/objects/*"
"""Refs that hold objects, and no versions: gigabytes, perhaps."""


def find_needed_at(
    remote: str, urls: Iterable[str], repository: Repository, tell: Callable[[str], None]
) -> dict[str, int]:
    """The objects (oid to size) that manifests need which any ref at these URLs of a remote has in its history.

    Raises TransportError where one cannot be read, ManifestError where it has manifests that this release cannot read:
    nobody knows their needs.
    """
    needed: dict[str, int] = {}
    for url in urls:
        with open_pointer_scratch(remote, url, repository, tell, what="its refs") as scratch:
            needed |= find_needed(scratch, ())
    return needed


def find_needed(scratch: ScratchRepository, passed_over: Collection[str]) -> dict[str, int]:
    """The objects that manifests need which any ref of the remote has in its history; fetches all of that.

    All of it is here then, or the fetch fails: a scratch repository borrows nothing from a clone that may be shallow.
    ``passed_over``: refs, as they are called there, that hold no versions.
    """
    scratch.fetch([f"+refs/*:{THERE}*", f"^{_OBJECTS}"])
    lines = scratch.git("for-each-ref", "--format=%(objectname) %(refname)", THERE).decode().splitlines()
    ours = {name_here(ref) for ref in passed_over}
    tips = {oid for oid, name in (line.split(" ", 1) for line in lines) if name not in ours}
    return object_sizes(needed_objects(read_manifests(tip_blobs(tips, scratch.env), _refuse_unreadable, scratch.env)))


def name_here(ref: str) -> str:
    """What a ref of the remote is called in the scratch repository."""
    return THERE + ref.removeprefix("refs/")


def _refuse_unreadable(error: ManifestError) -> None:
    raise error
