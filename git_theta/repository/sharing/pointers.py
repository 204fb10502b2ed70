"""Pointers of our objects on a remote, so that a host that collects garbage keeps them.

They are in ``refs/theta/pointers``, or in the branch ``theta/objects`` where a host takes no such ref; there is nothing
to configure, since a remote that has the branch says so by having it. Nothing of them comes into this repository.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from git_theta.errors import GitError, TransportError
from git_theta.store.files import make_folder
from git_theta.transport.urls import redact_url
from git_theta.vcs.discovery import Repository
from git_theta.vcs.pointer_tree import PointerTree, commit_pointers, read_pointer_tree
from git_theta.vcs.remote_settings import read_remote_access
from git_theta.vcs.scratch_repository import PushAnswer, ScratchRepository

POINTERS_REF = "refs/theta/pointers"
POINTERS_BRANCH = "refs/heads/theta/objects"
_HERE = {POINTERS_REF: "refs/there/pointers", POINTERS_BRANCH: "refs/there/objects"}
"""What they are called in a scratch repository."""
_ATTEMPTS = 30
_UNNAMED_HINT = "Without them the host would delete the objects. Push again when Git can reach it."
_LONGEST_PAUSE = 4.0
"""Seconds between two attempts, at most."""


class PointerPush(NamedTuple):
    """What a push of pointers came to.

    Attributes:
        objects: how many got a pointer that had none.
        refusal: the host's words where it took no ``refs/theta/pointers``, and got the branch now.
    """

    objects: int
    refusal: str = ""


class RemotePointers(NamedTuple):
    """What a remote has: the tree of each of our refs there."""

    trees: Mapping[str, PointerTree]

    def select_unnamed(self, objects: Mapping[str, int]) -> dict[str, int]:
        """Those of the objects (oid to size) that no pointer there names."""
        trees = self.trees.values()
        return {oid: size for oid, size in objects.items() if all(tree.lacks(oid, size) for tree in trees)}

    @property
    def ref(self) -> str:
        """The ref that the remote's pointers are in, or would be."""
        return next((ref for ref, tree in self.trees.items() if tree.tip), POINTERS_REF)


def push_pointers(remote: str, url: str, objects: Mapping[str, int], repository: Repository) -> PointerPush:
    """See that every one of these objects (oid to size), which are on the remote, has a pointer there.

    Raises TransportError where that cannot be: the host would delete the objects.
    """
    with open_pointer_scratch(remote, url, repository, hint=_UNNAMED_HINT) as scratch:
        refusal, answer = "", PushAnswer("taken")
        for attempt in range(_ATTEMPTS):
            there = fetch_pointers(scratch)
            new = there.select_unnamed(objects)
            if not new:
                return PointerPush(0)
            ref = POINTERS_BRANCH if refusal else there.ref
            tip = there.trees[ref].tip
            answer = scratch.push(commit_pointers(scratch, tip, new), ref, tip)
            if answer.state == "taken":
                return PointerPush(len(new), refusal)
            if answer.state == "outrun":
                pause_before_retry(attempt)
            elif ref == POINTERS_REF:
                refusal = answer.reason
            else:
                raise _refused_error(remote, refusal, answer.reason)
        raise TransportError(
            f"{remote}: no pointers could be pushed: others were first, {_ATTEMPTS} times ({answer.reason})",
            hint="Push again.",
        )


def read_remote_pointers(remote: str, url: str, repository: Repository) -> RemotePointers:
    """The pointers that a remote has. Raises TransportError where it cannot be asked."""
    with open_pointer_scratch(remote, url, repository) as scratch:
        return fetch_pointers(scratch)


@contextmanager
def open_pointer_scratch(
    remote: str, url: str, repository: Repository, *, hint: str = "", what: str = "the pointers of objects there"
) -> Iterator[ScratchRepository]:
    """A scratch repository that talks to a remote. What Git says in it is raised as TransportError, without secrets.

    ``hint``: what to do about it then, where that is more than to see whether Git can reach the remote.
    ``what``: what is to be read or written there.
    """
    folder = repository.theta_dir / "tmp"
    make_folder(folder, repository.theta_dir)
    try:
        with ScratchRepository(folder, read_remote_access(remote, url, repository)) as scratch:
            yield scratch
    except GitError as error:
        words = error.message.replace(url, redact_url(url))
        raise TransportError(
            f"{remote}: {what} cannot be read or written: {words}",
            hint=hint or f"See whether Git can reach it: git ls-remote {remote}",
        ) from error


def fetch_pointers(scratch: ScratchRepository) -> RemotePointers:
    """What the remote has now."""
    try:
        # As patterns, of which one may match nothing.
        scratch.fetch((f"+{there}*:{here}*" for there, here in _HERE.items()), depth=1, blobs=False)
    except (
        GitError
    ):  # none matches: no error, but for --depth. We look when that fails, not before: it takes a connection
        if scratch.list_remote_refs(*_HERE):
            raise
    return RemotePointers({there: read_pointer_tree(scratch, here) for there, here in _HERE.items()})


def pause_before_retry(attempt: int) -> None:
    """Wait for a moment that differs from pusher to pusher, longer after each attempt."""
    time.sleep(random.uniform(0, min(0.2 * 1.5**attempt, _LONGEST_PAUSE)))


def _refused_error(remote: str, ref_refusal: str, branch_refusal: str) -> TransportError:
    before = f"{POINTERS_REF}: {ref_refusal}; " if ref_refusal else ""
    return TransportError(
        f"{remote} takes no pointers of the objects: {before}branch theta/objects: {branch_refusal}",
        hint="The objects are there, but the host deletes what no pointer names. Have it accept pushes to the branch "
        "theta/objects, and push again.",
    )
