"""Any Git server, without Git LFS: objects are blobs of its repository, below refs of ours (docs/spec/objects.md).

Each batch of objects that somebody pushed has a ref of its own, named by what it lists, so pushers are never in each
other's way. The ref's commit holds the listing alone, its parent the blobs: one commit of each ref tells what is there,
on every server. Blobs are fetched by id where the server answers that, else batch by batch.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from git_theta.errors import CorruptObject, GitError, MissingObject, TransportError
from git_theta.store.base import Store, read_chunks, require_oid, verify_chunks
from git_theta.store.files import make_folder, write_chunk
from git_theta.store.inbox import Inbox
from git_theta.transport.base import HeldObject, Outcome, Transport
from git_theta.transport.git_batches import (
    BATCH_OBJECTS,
    LISTING,
    LISTING_BYTES,
    REFS,
    Batch,
    StoredBlob,
    make_batch,
    parse_batch,
    write_commits,
)
from git_theta.transport.outcomes import ITEM_ERRORS, lost_object, require_size, unreadable_object
from git_theta.transport.patience import Patience, SilenceClock
from git_theta.transport.urls import name_host, redact_url
from git_theta.transport.watched_program import wait_watched
from git_theta.vcs.blob_repository import BlobRepository
from git_theta.vcs.remote_settings import RemoteAccess

_BATCH_BYTES = 256 << 20
"""Bytes of objects that go or come at once: they stand twice on the disk, and are lost when the line is cut."""
_TRIES = 6
_LOCKED = re.compile(r"lock|failed to update ref|already exists")
"""What servers say while another pusher puts the same batch there."""
_NOT_THERE = re.compile(r"not our ref ([0-9a-f]{40,64})")

_Item = TypeVar("_Item")


class _Place(NamedTuple):
    """Where an object is on the remote: in the batch of ``ref``."""

    ref: str
    stored: StoredBlob


class GitTransport(Transport):
    """Objects as blobs of a remote repository. What Git refuses is TransportError, in its words.

    Args:
        ours: our store.
        access: how Git gets to the remote.
        theta: the theta directory, in which scratch repositories are made.
        tell: says one thing to the person: that the host is silent.
        patience: how long it may be.
    """

    drops_objects = True

    def __init__(
        self,
        ours: Store,
        access: RemoteAccess,
        theta: Path,
        tell: Callable[[str], None],
        patience: Patience = Patience(),  # noqa: B008
    ) -> None:
        self._ours = ours
        self._access = access
        self._theta = theta
        self._clock = SilenceClock(name_host(access.url), patience, tell)
        self._listings: BlobRepository | None = None
        self._batches: dict[str, tuple[str, Batch | None]] = {}
        """Of each ref below REFS its commit, and the batch that it is."""
        self._answers_ids = True
        """Whether the server gives out blobs by id, as far as we know."""

    def close(self) -> None:
        if self._listings:
            self._listings.close()
            self._listings = None

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        places = self._find_places(objects, look_again=True)
        return [oid for oid in objects if not places[oid]]

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        places = self._find_places(objects)
        yield from (Outcome(oid, 0) for oid, found in places.items() if found)
        left = {oid: objects[oid] for oid, found in places.items() if not found}
        while left:
            batch = dict(_take_batch((item, item[1]) for item in left.items()))
            left = {oid: size for oid, size in left.items() if oid not in batch}
            with self._as_transport_errors(), self._open_scratch() as scratch:
                yield from self._push_batch(batch, scratch)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        here = {oid for oid, size in objects.items() if inbox.has(require_oid(oid), size)}
        yield from (Outcome(oid, 0) for oid in here)
        left = {oid: size for oid, size in objects.items() if oid not in here}
        wanted = self._find_places(left)
        for oid in [oid for oid, found in wanted.items() if not found]:
            del wanted[oid]
            yield Outcome(oid, 0, self._explain_absence(oid, left[oid]))
        while wanted:
            places = [found[0] for found in wanted.values()]
            with self._as_transport_errors(), self._open_scratch() as scratch:
                for outcome in self._fetch_some(places, scratch, inbox):
                    found = wanted.pop(outcome.oid)
                    if isinstance(outcome.error, (CorruptObject, MissingObject)) and found[1:]:
                        wanted[outcome.oid] = found[1:]  # of another batch it may be whole
                    else:
                        yield outcome

    # What is there

    def _find_places(self, objects: Mapping[str, int], *, look_again: bool = False) -> dict[str, list[_Place]]:
        """Where each of the objects is, of that size: in several batches, or in none."""
        places: dict[str, list[_Place]] = {require_oid(oid): [] for oid in objects}
        if objects and (look_again or self._listings is None):
            self._refresh_listings()
        for batch in self._known_batches():
            for stored in batch.blobs:
                if objects.get(stored.oid) == stored.size:
                    places[stored.oid].append(_Place(batch.ref, stored))
        return places

    def _known_batches(self) -> Iterator[Batch]:
        return (batch for _, batch in self._batches.values() if batch)

    def _refresh_listings(self) -> None:
        """Fetch the listing of every batch that is not known yet; forget those that are gone."""
        with self._as_transport_errors():
            scratch = self._listings = self._listings or self._open_scratch()
            batches = {}
            for ref, commit in _fetch_listings(scratch).items():
                known = self._batches.get(ref)
                batches[ref] = known if known and known[0] == commit else (commit, _read_batch(scratch, ref))
            self._batches = batches

    def _explain_absence(self, oid: str, size: int) -> MissingObject | CorruptObject | TransportError:
        """Why the remote has no such object of that size."""
        there = next((one.size for batch in self._known_batches() for one in batch.blobs if one.oid == oid), None)
        try:
            require_size(oid, there, size)
        except ITEM_ERRORS as error:
            return error
        raise AssertionError(f"{oid} is there")

    # To the remote

    def _push_batch(self, objects: Mapping[str, int], scratch: BlobRepository) -> Iterator[Outcome]:
        blobs, failed = [], []
        with scratch.import_objects(compress=False) as pipe:
            for oid, size in objects.items():
                try:
                    blobs.append(self._write_blob(oid, size, pipe))
                except ITEM_ERRORS as error:
                    failed.append(Outcome(oid, 0, error))
        yield from failed
        if not blobs:
            return
        arrived = self._send_batch(make_batch(blobs), scratch)
        for one in blobs:
            yield Outcome(one.oid, one.size) if arrived else Outcome(one.oid, 0, lost_object(one.oid))

    def _send_batch(self, batch: Batch, scratch: BlobRepository) -> bool:
        """Push a batch whose blobs are in a scratch repository; whether it is on the remote then."""
        with scratch.import_objects(compress=True) as pipe:
            write_chunk(pipe, write_commits(batch))
        commit = scratch.list_refs(batch.ref)[batch.ref]
        arrived = _send_ref(scratch, batch.ref, commit)
        if arrived:
            self._batches[batch.ref] = (commit, batch)
        return arrived

    def _write_blob(self, oid: str, size: int, pipe: int) -> StoredBlob:
        """Have ``git fast-import`` write an object of ours, verified on its way. Raises what is wrong with it."""
        try:
            require_size(oid, self._ours.size(oid), size)
            stream = self._ours.get(oid)
        except OSError as error:
            raise unreadable_object(oid, error) from error
        digest = hashlib.new(self._access.algorithm, b"blob %d\0" % size, usedforsecurity=False)
        write_chunk(pipe, b"blob\ndata %d\n" % size)
        left = size
        with closing(stream):
            try:
                for chunk in verify_chunks(read_chunks(stream, oid), oid):
                    digest.update(chunk)
                    write_chunk(pipe, memoryview(chunk)[:left])
                    left -= min(left, len(chunk))
            except ITEM_ERRORS:
                _write_zeros(pipe, left)  # which are no part of any commit, and do not get to the remote
                raise
            finally:
                write_chunk(pipe, b"\n")
        return StoredBlob(oid, size, digest.hexdigest())

    # From the remote

    def _fetch_some(self, places: list[_Place], scratch: BlobRepository, inbox: Inbox) -> Iterator[Outcome]:
        """Fetch the objects in some of these places: one batch, or as many by id as go at once.

        There is no outcome at all where to ask once more may help.
        """
        if not self._answers_ids:
            ref = places[0].ref
            scratch.fetch([ref], depth=2)
            yield from (_receive(place.stored, scratch, inbox) for place in places if place.ref == ref)
            return
        some = list(_take_batch((place.stored, place.stored.size) for place in places))
        try:
            scratch.fetch(stored.blob for stored in some)
        except GitError as error:
            lost = _NOT_THERE.search(error.message)
            gone = [stored for stored in some if lost and stored.blob == lost[1]]
            yield from (Outcome(one.oid, 0, _listed_in_vain(one.oid)) for one in gone)
            self._answers_ids = bool(gone)
            return
        yield from (_receive(stored, scratch, inbox) for stored in some)

    # Repair, and what nobody needs any more

    def clear_damaged(self, oid: str) -> bool:
        """Drop it where none of the blobs that are listed as it is it.

        Blobs are compared by id. What is damaged in the server's own files has the right id, and only Git, there, can
        mend it.
        """
        size = self._ours.size(require_oid(oid))
        if size is None:
            return False
        listed = {place.stored.blob for place in self._find_places({oid: size})[oid]}
        right = self._find_blob_id(oid, size)
        if not listed or not right or right in listed:
            return False
        self.drop_objects([oid])
        return True

    def list_held(self) -> Iterator[HeldObject]:
        self._refresh_listings()
        held = {stored.oid: stored.size for batch in self._known_batches() for stored in batch.blobs}
        return (HeldObject(oid, size) for oid, size in held.items())

    def drop_objects(self, oids: Collection[str]) -> None:
        """Take away the batches that have any of the objects; what else they have goes into new ones before."""
        for ref, (commit, batch) in list(self._batches.items()):
            if batch and any(stored.oid in oids for stored in batch.blobs):
                with self._as_transport_errors(), self._open_scratch() as scratch:
                    self._keep_some(batch, oids, scratch)
                    answer = scratch.push("", ref, commit)
                if answer.state != "taken":
                    raise TransportError(
                        f"the server does not have {ref} deleted: {answer.reason}",
                        hint="Have it accept that for as long as this takes: receive.denyDeletes.",
                    )
                del self._batches[ref]

    def _keep_some(self, batch: Batch, oids: Collection[str], scratch: BlobRepository) -> None:
        """Push what a batch has beside these objects, and no other batch has, as a batch of its own."""
        elsewhere = {
            stored
            for other in self._known_batches()
            if other.ref != batch.ref and all(stored.oid not in oids for stored in other.blobs)
            for stored in other.blobs
        }
        kept = [stored for stored in batch.blobs if stored.oid not in oids and stored not in elsewhere]
        if kept:
            scratch.fetch([batch.ref], depth=2)
            if not self._send_batch(make_batch(kept), scratch):
                raise lost_object(kept[0].oid)

    def _find_blob_id(self, oid: str, size: int) -> str:
        """What Git calls our copy of an object; "" where that is damaged."""
        digest = hashlib.new(self._access.algorithm, b"blob %d\0" % size, usedforsecurity=False)
        try:
            with closing(self._ours.get(oid)) as stream:
                for chunk in verify_chunks(read_chunks(stream, oid), oid):
                    digest.update(chunk)
        except ITEM_ERRORS:
            return ""
        return digest.hexdigest()

    def _open_scratch(self) -> BlobRepository:
        folder = self._theta / "tmp"
        make_folder(folder, self._theta)
        return BlobRepository(folder, self._access, wait_watched(self._clock))

    @contextlib.contextmanager
    def _as_transport_errors(self) -> Iterator[None]:
        try:
            yield
        except GitError as error:
            words = error.message.replace(self._access.url, redact_url(self._access.url))
            raise TransportError(words, hint="See whether Git itself gets there: git ls-remote") from None


def _take_batch(items: Iterable[tuple[_Item, int]]) -> Iterator[_Item]:
    """The first of some items, given with their sizes in bytes: one at least, and as many as go at once."""
    total = 0
    for count, (item, size) in enumerate(items):
        total += size
        if count and (total > _BATCH_BYTES or count >= BATCH_OBJECTS):
            return
        yield item


def _fetch_listings(scratch: BlobRepository) -> dict[str, str]:
    """Fetch the commit of every ref of ours that is new: ref to commit."""
    try:
        scratch.fetch([f"+{REFS}*:{REFS}*"], depth=1)
    except GitError:  # without a word where there are no such refs
        if scratch.list_remote_refs(f"{REFS}*"):
            raise
        return {}
    return scratch.list_refs(REFS)


def _read_batch(listings: BlobRepository, ref: str) -> Batch | None:
    listing = b""
    with contextlib.suppress(GitError):  # it has no such file
        for chunk in listings.read_blob(f"{ref}:{LISTING}"):
            listing += chunk
            if len(listing) > LISTING_BYTES:
                return None
    return parse_batch(ref, listing)


def _send_ref(scratch: BlobRepository, ref: str, commit: str) -> bool:
    """Push a ref; whether it is on the remote then. Raises GitError where the remote refuses it."""
    for attempt in range(1, _TRIES + 1):
        refusal = None
        try:
            scratch.force_push(ref)
        except GitError as error:
            refusal = error
        if scratch.list_remote_refs(ref).get(ref) == commit:
            return True
        if refusal is None:
            return False
        if attempt == _TRIES or not _LOCKED.search(refusal.message):
            raise refusal
        time.sleep(random.random() * 0.1 * 2**attempt)
    raise AssertionError("the last try returns or raises")


def _receive(stored: StoredBlob, scratch: BlobRepository, inbox: Inbox) -> Outcome:
    """Take an object from its blob, which is here."""

    def read_from(offset: int) -> Iterator[bytes]:
        for chunk in scratch.read_blob(stored.blob):
            yield chunk[offset:]
            offset -= min(offset, len(chunk))

    try:
        inbox.fill(stored.oid, stored.size, read_from)
    except ITEM_ERRORS as error:
        return Outcome(stored.oid, 0, error)
    except GitError:  # no blob, or of another batch than the one that lists it
        return Outcome(stored.oid, 0, _listed_in_vain(stored.oid))
    return Outcome(stored.oid, stored.size)


def _listed_in_vain(oid: str) -> MissingObject:
    return MissingObject(f"object {oid} is listed, and missing")


def _write_zeros(pipe: int, size: int) -> None:
    while size:
        count = min(size, 1 << 20)
        write_chunk(pipe, bytes(count))
        size -= count
