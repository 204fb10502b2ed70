"""Any Git server, without Git LFS: objects are blobs of its repository, below refs of ours (docs/spec/objects.md).

Each batch of objects that somebody pushed has a ref of its own, named by what it lists, so pushers are never in each
other's way. The ref's commit holds the listing alone, its parent the blobs: one commit of each ref tells what is there,
on every server. Blobs are fetched by id where the server answers that, else batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from git_theta.errors import CorruptObject, MissingObject, TransportError
from git_theta.store.base import Store, require_oid
from git_theta.store.inbox import Inbox
from git_theta.transport.base import HeldObject, Outcome, Transport
from git_theta.transport.git.batch_listings import BatchListings, HeldBatch
from git_theta.transport.git.batch_pushing import find_blob_id, push_batch, report_batch, write_blobs
from git_theta.transport.git.blob_fetching import BlobFetcher
from git_theta.transport.git.git_batches import Batch, make_batch, take_batch
from git_theta.transport.git.git_server import GitServer
from git_theta.transport.outcomes import lost_object
from git_theta.transport.patience import USUAL_PATIENCE, Patience, SilenceClock
from git_theta.transport.urls import name_host
from git_theta.vcs.blob_repository import BlobRepository
from git_theta.vcs.remote_settings import RemoteAccess


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
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._ours = ours
        self._server = GitServer(access, theta, SilenceClock(name_host(access.url), patience, tell))
        self._listings = BatchListings(self._server)
        self._fetcher = BlobFetcher()

    def close(self) -> None:
        self._listings.close()

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        places = self._listings.find_places(objects, look_again=True)
        return [oid for oid in objects if not places[oid]]

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        places = self._listings.find_places(objects)
        yield from (Outcome(oid, 0) for oid, found in places.items() if found)
        left = {oid: objects[oid] for oid, found in places.items() if not found}
        while left:
            some = dict(take_batch((item, item[1]) for item in left.items()))
            left = {oid: size for oid, size in left.items() if oid not in some}
            with self._server.talk() as scratch:
                blobs, failed = write_blobs(some, self._ours, scratch)
                yield from failed
                if blobs:
                    yield from report_batch(blobs, self._push_batch(make_batch(blobs), scratch))

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        here = {oid for oid, size in objects.items() if inbox.has(require_oid(oid), size)}
        yield from (Outcome(oid, 0) for oid in here)
        left = {oid: size for oid, size in objects.items() if oid not in here}
        wanted = self._listings.find_places(left)
        for oid in [oid for oid, found in wanted.items() if not found]:
            del wanted[oid]
            yield Outcome(oid, 0, self._listings.explain_absence(oid, left[oid]))
        while wanted:
            places = [found[0] for found in wanted.values()]
            with self._server.talk() as scratch:
                for outcome in self._fetcher.fetch_some(places, scratch, inbox):
                    found = wanted.pop(outcome.oid)
                    if isinstance(outcome.error, (CorruptObject, MissingObject)) and found[1:]:
                        wanted[outcome.oid] = found[1:]  # of another batch it may be whole
                    else:
                        yield outcome

    def clear_damaged(self, oid: str) -> bool:
        """Drop it where none of the blobs that are listed as it is it.

        Blobs are compared by id. What is damaged in the server's own files has the right id, and only Git, there, can
        mend it.
        """
        size = self._ours.size(require_oid(oid))
        if size is None:
            return False
        listed = {place.stored.blob for place in self._listings.find_places({oid: size})[oid]}
        right = find_blob_id(oid, size, self._ours, self._server.algorithm)
        if not listed or not right or right in listed:
            return False
        self.drop_objects([oid])
        return True

    def list_held(self) -> Iterator[HeldObject]:
        self._listings.refresh()
        held = {stored.oid: stored.size for stored in self._listings.list_blobs()}
        return (HeldObject(oid, size) for oid, size in held.items())

    def drop_objects(self, oids: Collection[str]) -> None:
        """Take away the batches that have any of the objects; what else they have goes into new ones before."""
        for held in self._listings.list_batches():
            if any(stored.oid in oids for stored in held.batch.blobs):
                with self._server.talk() as scratch:
                    self._keep_some(held.batch, oids, scratch)
                    _delete_batch(held, scratch)
                self._listings.forget(held.batch)

    def _push_batch(self, batch: Batch, scratch: BlobRepository) -> str:
        """Push a batch, and note where it is; its commit, or ""."""
        commit = push_batch(batch, scratch)
        if commit:
            self._listings.add(commit, batch)
        return commit

    def _keep_some(self, batch: Batch, oids: Collection[str], scratch: BlobRepository) -> None:
        """Push what a batch has beside these objects, and no other batch has, as a batch of its own."""
        others = [held.batch for held in self._listings.list_batches() if held.batch.ref != batch.ref]
        staying = [other for other in others if all(stored.oid not in oids for stored in other.blobs)]
        elsewhere = {stored for other in staying for stored in other.blobs}
        kept = [stored for stored in batch.blobs if stored.oid not in oids and stored not in elsewhere]
        if kept:
            scratch.fetch([batch.ref], depth=2)
            if not self._push_batch(make_batch(kept), scratch):
                raise lost_object(kept[0].oid)


def _delete_batch(held: HeldBatch, scratch: BlobRepository) -> None:
    answer = scratch.push("", held.batch.ref, held.commit)
    if answer.state != "taken":
        raise TransportError(
            f"the server does not have {held.batch.ref} deleted: {answer.reason}",
            hint="Have it accept that for as long as this takes: receive.denyDeletes.",
        )
