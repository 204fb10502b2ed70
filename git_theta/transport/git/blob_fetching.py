"""Objects from a Git server: blobs by their ids where it gives these out, else whole batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from git_theta.errors import GitError, MissingObject
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome
from git_theta.transport.git.batch_listings import BatchPlace
from git_theta.transport.git.git_batches import StoredBlob, take_batch
from git_theta.transport.outcomes import ITEM_ERRORS
from git_theta.vcs.blob_repository import BlobRepository

_NOT_THERE = re.compile(r"not our ref ([0-9a-f]{40,64})")


class BlobFetcher:
    """Fetches what stands in places; it remembers whether the server gives out blobs by id, as far as we know."""

    def __init__(self) -> None:
        self._answers_ids = True

    def fetch_some(self, places: Sequence[BatchPlace], scratch: BlobRepository, inbox: Inbox) -> Iterator[Outcome]:
        """Fetch the objects in some of these places: one batch, or as many by id as go at once.

        There is no outcome at all where to ask once more may help.
        """
        if not self._answers_ids:
            ref = places[0].ref
            scratch.fetch([ref], depth=2)
            yield from (_receive(place.stored, scratch, inbox) for place in places if place.ref == ref)
            return
        some = list(take_batch((place.stored, place.stored.size) for place in places))
        try:
            scratch.fetch(stored.blob for stored in some)
        except GitError as error:
            lost = _NOT_THERE.search(error.message)
            gone = [stored for stored in some if lost and stored.blob == lost[1]]
            yield from (Outcome(one.oid, 0, _listed_in_vain(one.oid)) for one in gone)
            self._answers_ids = bool(gone)
            return
        yield from (_receive(stored, scratch, inbox) for stored in some)


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
