"""A repository on this machine, or on a file system mounted here: objects are linked, or else copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from git_theta.store.base import Store, copy_object, read_chunks
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome, Transport
from git_theta.transport.outcomes import ITEM_ERRORS, lost_object, require_size, unreadable_object


class DirectoryTransport(Transport):
    """Objects of another repository's store.

    Args:
        ours: our store.
        theirs: the other repository's, with what it borrows.
        freshens: whether what is there is freshened when it is asked for: refs that are pushed may come to need it.
    """

    def __init__(self, ours: Store, theirs: Store, *, freshens: bool = True) -> None:
        self._ours = ours
        self._theirs = theirs
        self._freshens = freshens

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        return [oid for oid, size in objects.items() if not self._keeps_object(oid, size)]

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        for oid, size in objects.items():
            try:
                yield self._fetch_object(oid, size, inbox)
            except ITEM_ERRORS as error:
                yield Outcome(oid, 0, error)
            except OSError as error:
                yield Outcome(oid, 0, unreadable_object(oid, error))

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        try:
            for oid, size in objects.items():
                try:
                    yield self._push_object(oid, size)
                except ITEM_ERRORS as error:
                    yield Outcome(oid, 0, error)
                except OSError as error:
                    yield Outcome(oid, 0, unreadable_object(oid, error))
        finally:
            self._theirs.sync()

    def clear_damaged(self, oid: str) -> bool:
        self._theirs.set_aside(oid)
        return self._theirs.size(oid) is None

    def _keeps_object(self, oid: str, size: int) -> bool:
        """Whether the object is there, and freshened where we may."""
        if self._theirs.size(oid) != size:
            return False
        return not self._freshens or self._theirs.freshen(oid) or self._theirs.size(oid) == size

    def _fetch_object(self, oid: str, size: int, inbox: Inbox) -> Outcome:
        if inbox.has(oid, size):
            return Outcome(oid, 0)
        require_size(oid, self._theirs.size(oid), size)
        file = self._theirs.find(oid)
        if file:
            inbox.adopt(file, oid)
        else:
            with closing(self._theirs.get(oid)) as stream:

                def read_from(offset: int) -> Iterator[bytes]:
                    stream.seek(offset)
                    return read_chunks(stream, oid)

                inbox.fill(oid, size, read_from)
        return Outcome(oid, size)

    def _push_object(self, oid: str, size: int) -> Outcome:
        if not self.lacking({oid: size}):
            return Outcome(oid, 0)
        require_size(oid, self._ours.size(oid), size)
        if self._theirs.size(oid) is not None:
            self._theirs.set_aside(oid)
        copy_object(oid, self._ours, self._theirs)
        if self.lacking({oid: size}):
            raise lost_object(oid)
        return Outcome(oid, size)


class LfsDirectoryTransport(DirectoryTransport):
    """Objects where git-lfs itself would put them for a ``file://`` server. They are linked, or copied.

    ``git lfs prune`` there deletes what no pointer names.
    """

    needs_pointers = True
