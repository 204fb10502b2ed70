"""What a Git server has of our objects: the listing of every batch there, fetched once, and kept up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from git_theta.errors import CorruptObject, GitError, MissingObject, TransportError
from git_theta.store.base import require_oid
from git_theta.transport.git.git_batches import LISTING, LISTING_BYTES, REFS, Batch, StoredBlob, parse_batch
from git_theta.transport.git.git_server import GitServer
from git_theta.transport.outcomes import ITEM_ERRORS, require_size
from git_theta.vcs.blob_repository import BlobRepository


class BatchPlace(NamedTuple):
    """Where an object is on the remote: in the batch of ``ref``."""

    ref: str
    stored: StoredBlob


class HeldBatch(NamedTuple):
    """A batch that the remote has, and the commit of its ref."""

    commit: str
    batch: Batch


class BatchListings:
    """The batches that a server has, as far as they were asked for.

    Args:
        server: where they are.
    """

    def __init__(self, server: GitServer) -> None:
        self._server = server
        self._scratch: BlobRepository | None = None
        self._known: dict[str, tuple[str, Batch | None]] = {}
        """Of each ref below REFS its commit, and the batch that it is."""

    def close(self) -> None:
        """Remove what was fetched."""
        if self._scratch:
            self._scratch.close()
            self._scratch = None

    def refresh(self) -> None:
        """Fetch the listing of every batch that is not known yet; forget those that are gone."""
        with self._server.as_transport_errors():
            scratch = self._scratch = self._scratch or self._server.open_scratch()
            batches = {}
            for ref, commit in _fetch_listings(scratch).items():
                known = self._known.get(ref)
                batches[ref] = known if known and known[0] == commit else (commit, _read_batch(scratch, ref))
            self._known = batches

    def add(self, commit: str, batch: Batch) -> None:
        """Note a batch that has just got there."""
        self._known[batch.ref] = (commit, batch)

    def forget(self, batch: Batch) -> None:
        """Note that a batch is gone."""
        del self._known[batch.ref]

    def list_batches(self) -> list[HeldBatch]:
        """All batches that are known."""
        return [HeldBatch(commit, batch) for commit, batch in self._known.values() if batch]

    def list_blobs(self) -> Iterator[StoredBlob]:
        """What is in them."""
        return (stored for held in self.list_batches() for stored in held.batch.blobs)

    def find_places(self, objects: Mapping[str, int], *, look_again: bool = False) -> dict[str, list[BatchPlace]]:
        """Where each of the objects (oid to size) is: in several batches, or in none."""
        places: dict[str, list[BatchPlace]] = {require_oid(oid): [] for oid in objects}
        if objects and (look_again or self._scratch is None):
            self.refresh()
        for held in self.list_batches():
            for stored in held.batch.blobs:
                if objects.get(stored.oid) == stored.size:
                    places[stored.oid].append(BatchPlace(held.batch.ref, stored))
        return places

    def explain_absence(self, oid: str, size: int) -> MissingObject | CorruptObject | TransportError:
        """Why the remote has no such object of that size."""
        there = next((one.size for one in self.list_blobs() if one.oid == oid), None)
        try:
            require_size(oid, there, size)
        except ITEM_ERRORS as error:
            return error
        raise AssertionError(f"{oid} is there")


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
    with suppress(GitError):  # it has no such file
        for chunk in listings.read_blob(f"{ref}:{LISTING}"):
            listing += chunk
            if len(listing) > LISTING_BYTES:
                return None
    return parse_batch(ref, listing)
