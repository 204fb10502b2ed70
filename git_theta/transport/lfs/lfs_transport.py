"""The transport for Git LFS hosts: git-lfs moves the objects, and our batch client looks whether they arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event
from urllib.parse import urlsplit

from git_theta.errors import CorruptObject, ThetaError, TransportError
from git_theta.store.base import Store, require_oid
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome, Transport
from git_theta.transport.lfs.adoption import Adoption
from git_theta.transport.lfs.batch import BatchClient
from git_theta.transport.lfs.endpoint import Endpoint
from git_theta.transport.lfs.git_lfs import GitLfs
from git_theta.transport.lfs.lfs_outcomes import (
    Presence,
    damaged_there,
    describe_lack,
    find_damaged,
    find_refusals,
    not_arrived,
    not_fetched,
)
from git_theta.transport.lfs.lfs_scratch import POINTERS, LfsScratch, open_lfs_scratch
from git_theta.transport.lfs.partial_downloads import drop_downloads, keep_downloads, resume_downloads
from git_theta.transport.lfs.ssh_login import CannotAsk
from git_theta.transport.outcomes import ITEM_ERRORS, require_size
from git_theta.transport.parallel import map_ahead, run_parallel
from git_theta.transport.patience import USUAL_PATIENCE, Patience, SilenceClock
from git_theta.vcs.credentials import hand_on
from git_theta.vcs.discovery import Repository

_BYTES_PER_RUN, _OBJECTS_PER_RUN = 512 << 20, 1000
"""What git-lfs is given at a time: what has arrived is known in between, and shown."""
_AT_ONCE = 4
"""Objects that it is given at least, however large, but at first: each goes over a connection of its own."""
_HASHERS = 4
"""Objects that are hashed at once before git-lfs gets them."""
_EMPTY = hashlib.sha256(b"").hexdigest()


class LfsTransport(Transport):
    """Objects on a Git LFS host.

    Args:
        endpoint: the host's server for the repository.
        repository: the one we are in: its configuration is git-lfs's, and scratch files are in its theta directory.
        store: ours.
        settings: what the person configured about where objects go.
        tell: says one thing to the person.
        ask: whether the person may be asked for passwords.
        patience: how long the host may be silent.
    """

    needs_pointers = True

    def __init__(
        self,
        endpoint: Endpoint,
        repository: Repository,
        store: Store,
        settings: Mapping[str, str],
        tell: Callable[[str], None],
        *,
        ask: bool,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._endpoint, self._repository, self._store = endpoint, repository, store
        self._settings, self._tell, self._ask, self._patience = settings, tell, ask, patience
        self._client = BatchClient(endpoint, tell, ask=ask, patience=patience)
        self._lacking: dict[str, Presence] = {}

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        for oid in objects:
            require_oid(oid)
        # Git LFS has no empty object, since the pointer of an empty file is empty: everybody knows it.
        asked = {oid: size for oid, size in objects.items() if (oid, size) != (_EMPTY, 0)}
        there = self._look_up(asked)
        missing = {oid: there[oid] for oid, size in asked.items() if there[oid].size != size}
        for oid in objects:
            self._lacking.pop(oid, None)
        self._lacking |= missing
        return list(missing)

    def explain_lack(self, oid: str) -> ThetaError:
        return describe_lack(self._lacking.get(oid, Presence(None)))

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        # Whoever pushes has asked just now; it costs a request for every hundred.
        self.lacking({oid: size for oid, size in objects.items() if oid not in self._lacking})
        wanted = {oid: size for oid, size in objects.items() if oid in self._lacking}
        for oid in objects:
            if oid not in wanted:
                yield Outcome(oid, 0)
        if wanted:
            with self._open_git_lfs() as (scratch, program):
                # What comes next is hashed while this is sent.
                for outcomes in map_ahead(partial(self._offer_some, scratch), _split(wanted)):
                    yield from (outcome for outcome in outcomes if outcome.error)
                    offered = {outcome.oid: outcome.size for outcome in outcomes if not outcome.error}
                    if offered:
                        yield from self._push_offered(offered, scratch, program)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        wanted = {}
        for oid, size in objects.items():
            require_oid(oid)
            if inbox.has(oid, size):
                yield Outcome(oid, 0)
            elif oid == _EMPTY or not size:  # which git-lfs takes for nothing to fetch
                yield _fetch_empty(oid, size, inbox)
            else:
                wanted[oid] = size
        if wanted:
            with self._open_git_lfs() as (scratch, program):
                yield from self._fetch_some(wanted, inbox, scratch, program)

    # Push

    def _offer_some(self, scratch: LfsScratch, objects: Mapping[str, int]) -> list[Outcome]:
        """Offer objects to git-lfs, each of them hashed; what is wrong with the others."""

        def offer(oid: str) -> Outcome:
            try:
                require_size(oid, self._store.size(oid), objects[oid])
                scratch.offer(oid, self._store)
            except ITEM_ERRORS as error:
                return Outcome(oid, 0, error)
            return Outcome(oid, objects[oid])

        return list(run_parallel(offer, objects, _HASHERS, Event()))

    def _push_offered(self, offered: Mapping[str, int], scratch: LfsScratch, program: GitLfs) -> Iterator[Outcome]:
        program.push(list(offered))
        scratch.withdraw(offered)
        there, refusals = self._look_up(offered, program), find_refusals(program.words)
        for oid, size in offered.items():
            if self.unverified or there[oid].size == size:
                self._lacking.pop(oid, None)
                yield Outcome(oid, size)
            else:
                yield Outcome(oid, 0, not_arrived(oid, size, there[oid], refusals.get(oid), program.summary))

    # Fetch

    def _fetch_some(
        self, wanted: dict[str, int], inbox: Inbox, scratch: LfsScratch, program: GitLfs
    ) -> Iterator[Outcome]:
        scratch.write_pointers(wanted)
        resumed = resume_downloads(scratch.storage, wanted, inbox)
        with Adoption(wanted, inbox, scratch) as adoption:
            try:
                for _ in program.fetch(POINTERS):
                    yield from adoption.take_finished()
                    if overlong := scratch.find_overlong(wanted):  # git-lfs would write it until the disk is full
                        raise TransportError(
                            f"the host sends far more than the {wanted[overlong]} bytes of object {overlong}"
                        )
                yield from adoption.take_all()
            except BaseException:  # what has arrived stays
                for _ in adoption.take_all():
                    pass
                keep_downloads(scratch.storage, wanted, inbox)
                raise
        damaged = find_damaged(program.words) & wanted.keys()
        # What an earlier try left of them is another host's, perhaps: once more, all of it.
        again = {oid: wanted.pop(oid) for oid in damaged & resumed}
        drop_downloads(scratch.storage, damaged)
        keep_downloads(scratch.storage, wanted, inbox)
        yield from self._explain_absence(wanted, damaged, program)
        if again:
            yield from self._fetch_some(again, inbox, scratch, program)

    def _explain_absence(self, wanted: Mapping[str, int], damaged: set[str], program: GitLfs) -> Iterator[Outcome]:
        """What became of objects that git-lfs has not brought."""
        there = self._look_up({oid: size for oid, size in wanted.items() if oid not in damaged}, program)
        for oid, size in wanted.items():
            told = damaged_there(oid) if oid in damaged else not_fetched(oid, size, there[oid], program.summary)
            yield Outcome(oid, 0, told)

    # Both

    def _look_up(self, objects: Mapping[str, int], program: GitLfs | None = None) -> Mapping[str, Presence]:
        """What the host says of objects; where it does not let us ask, that they are not there.

        ``program``: git-lfs after it ran: where it has failed too, the host lets nobody in.
        """
        try:
            return self._client.look_up(objects)
        except CannotAsk as error:
            if program and program.failed:
                more = "" if error.reason in program.words else f"; git-lfs: {program.summary}"
                raise TransportError(f"{error.message}{more}", hint=error.hint) from None
            self.unverified = error.message
            return dict.fromkeys(objects, Presence(None, error.message))

    @contextmanager
    def _open_git_lfs(self) -> Iterator[tuple[LfsScratch, GitLfs]]:
        host = urlsplit(self._endpoint.url).hostname or self._endpoint.url
        clock = SilenceClock(host, self._patience, self._tell, "has moved nothing")
        with open_lfs_scratch(self._repository, self._endpoint, self._settings) as scratch:
            handed = hand_on(self._client.accepted) if self._client.accepted else {}
            yield scratch, GitLfs(scratch, clock, handed, ask=self._ask)


def _split(objects: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """The objects in parts for one run of git-lfs each, the small ones first: until they are hashed nothing is sent."""
    part: dict[str, int] = {}
    least = 1
    for oid, size in sorted(objects.items(), key=lambda item: item[1]):
        is_large = len(part) >= least and sum(part.values()) + size > _BYTES_PER_RUN
        if is_large or len(part) == _OBJECTS_PER_RUN:
            yield part
            part, least = {}, _AT_ONCE
        part[oid] = size
    yield part


def _fetch_empty(oid: str, size: int, inbox: Inbox) -> Outcome:
    """What has no bytes is known without asking anybody; nothing else is of size 0."""
    if (oid, size) != (_EMPTY, 0):
        return Outcome(oid, 0, CorruptObject(f"object {oid} cannot have {size} bytes"))
    inbox.fill(oid, 0, lambda _: ())
    return Outcome(oid, 0)
