"""Pointers of our objects on a remote, so that a host that collects garbage keeps them.

They are in ``refs/theta/pointers``, or in the branch ``theta/objects`` where a host takes no such ref; there is nothing
to configure, since a remote that has the branch says so by having it. Nothing of them comes into this repository.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from git_theta.errors import GitError, TransportError
from git_theta.store.files import make_folder
from git_theta.transport.choose import name_remote
from git_theta.transport.parallel import run_in_background
from git_theta.transport.patience import SilenceClock, SilentHost, read_patience
from git_theta.transport.urls import name_host, redact_url
from git_theta.transport.watched_program import wait_watched
from git_theta.vcs.discovery import Repository
from git_theta.vcs.pointer_tree import PointerTree, commit_pointers, read_pointer_tree
from git_theta.vcs.remote_settings import read_remote_access
from git_theta.vcs.remotes import read_transport_settings
from git_theta.vcs.scratch_repository import PushAnswer, ScratchRepository

POINTERS_REF = "refs/theta/pointers"
POINTERS_BRANCH = "refs/heads/theta/objects"
_HERE = {POINTERS_REF: "refs/there/pointers", POINTERS_BRANCH: "refs/there/objects"}
"""What they are called in a scratch repository."""
_ATTEMPTS = 30
_UNNAMED_HINT = "Without them the host would delete the objects. Push again when Git can reach it."
_LONGEST_PAUSE = 4.0
"""Seconds between two attempts, at most, and for one that nobody wants the result of."""


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


class PointerUpdate:
    """Brings the pointers of a remote up to date; what it has is read meanwhile, from when the ``with`` block begins.

    Who reads ahead asks nobody for a password, since somebody else may be asking at that moment.

    Args:
        remote, url: the remote, and where Git pushes to it.
        repository: the one that is pushed.
        tell: says one thing to the person: that the host is silent.
    """

    def __init__(self, remote: str, url: str, repository: Repository, tell: Callable[[str], None]) -> None:
        self._remote = remote
        self._opening = open_pointer_scratch(remote, url, repository, tell, hint=_UNNAMED_HINT, ask=False)

    def __enter__(self) -> Self:
        self._scratch = self._opening.__enter__()
        self._read_ahead = run_in_background(partial(fetch_pointers, self._scratch))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.stop()  # a host may be silent for ever, and nobody would be left to end what waits for it
        wait([self._read_ahead], _LONGEST_PAUSE)  # or its folder would be gone under Git, and be there again
        self._opening.__exit__(kind, error, trace)

    def write(self, objects: Mapping[str, int]) -> PointerPush:
        """See that every one of these objects (oid to size), which are on the remote, has a pointer there.

        Raises TransportError where that cannot be: the host would delete the objects.
        """
        there = self._take_read()
        refusal, answer = "", PushAnswer("taken")
        for attempt in range(_ATTEMPTS):
            new = there.select_unnamed(objects)
            if not new:
                return PointerPush(0)
            ref = POINTERS_BRANCH if refusal else there.ref
            tip = there.trees[ref].tip
            answer = self._scratch.push(commit_pointers(self._scratch, tip, new), ref, tip)
            if answer.state == "taken":
                return PointerPush(len(new), refusal)
            if answer.state == "outrun":
                pause_before_retry(attempt)
            elif ref == POINTERS_REF:
                refusal = answer.reason
            else:
                raise _refused_error(self._remote, refusal, answer.reason)
            there = fetch_pointers(self._scratch)
        raise TransportError(
            f"{self._remote}: no pointers could be pushed: others were first, {_ATTEMPTS} times ({answer.reason})",
            hint="Push again.",
        )

    def _take_read(self) -> RemotePointers:
        """What was read ahead; where that could not be without a word from the person, it is read now."""
        try:
            there = self._read_ahead.result()
        except GitError:
            there = None
        self._scratch.let_ask()
        return fetch_pointers(self._scratch) if there is None else there


def push_pointers(
    remote: str, url: str, objects: Mapping[str, int], repository: Repository, tell: Callable[[str], None]
) -> PointerPush:
    """As ``PointerUpdate.write``, at once."""
    with PointerUpdate(remote, url, repository, tell) as update:
        return update.write(objects)


def read_remote_pointers(remote: str, url: str, repository: Repository, tell: Callable[[str], None]) -> RemotePointers:
    """The pointers that a remote has. Raises TransportError where it cannot be asked."""
    with open_pointer_scratch(remote, url, repository, tell) as scratch:
        return fetch_pointers(scratch)


@contextmanager
def open_pointer_scratch(
    remote: str,
    url: str,
    repository: Repository,
    tell: Callable[[str], None],
    *,
    hint: str = "",
    what: str = "the pointers of objects there",
    ask: bool = True,
) -> Iterator[ScratchRepository]:
    """A scratch repository that talks to a remote. What Git says in it is raised as TransportError, without secrets.

    Args:
        remote: its name; its URL where it has none.
        url: where Git finds it.
        repository: ours.
        tell: says one thing to the person: that the host is silent.
        hint: what to do where Git fails, if that is more than to see whether it can reach the remote.
        what: what is to be read or written there.
        ask: whether the person may be asked for passwords.
    """
    folder = repository.theta_dir / "tmp"
    make_folder(folder, repository.theta_dir)
    clock = SilenceClock(name_host(url), read_patience(remote, read_transport_settings()), tell)
    try:
        access = read_remote_access(remote, url, repository, ask=ask)
        with ScratchRepository(folder, access, wait_watched(clock)) as scratch:
            yield scratch
    except (GitError, SilentHost) as error:
        words = error.message.replace(url, redact_url(url))
        raise TransportError(
            f"{remote}: {what} cannot be read or written: {words}",
            hint="\n".join(filter(None, (hint, name_remote(error.hint, remote))))
            or f"See whether Git can reach it: git ls-remote {remote}",
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
    commits = scratch.list_commits()
    return RemotePointers({there: read_pointer_tree(scratch, commits.get(here, "")) for there, here in _HERE.items()})


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
