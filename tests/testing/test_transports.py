"""The kit for transports catches wrong ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from git_theta.errors import MissingObject
from git_theta.store.base import Buffer, Store, copy_object, require_oid
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.transfers import CONTENT, OID, fill_store
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import HeldObject, Outcome, Transport


class _ShelfTransport(Transport):
    """To another store in memory."""

    drops_objects = True

    def __init__(self, ours: Store, theirs: Store) -> None:
        self.ours, self.theirs = ours, theirs

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        return [require_oid(oid) for oid, size in objects.items() if self.theirs.size(oid) != size]

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        for oid, size in objects.items():
            if self.theirs.size(oid) is None:
                yield Outcome(oid, 0, MissingObject(oid))
            else:
                inbox.fill(oid, size, partial(self.read_from, oid))
                yield Outcome(oid, size)

    def read_from(self, oid: str, offset: int) -> Iterator[Buffer]:
        with self.theirs.get(oid) as stream:
            stream.seek(offset)
            yield stream.read()

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        for oid in self.lacking(objects):
            copy_object(oid, self.ours, self.theirs)
            yield Outcome(oid, objects[oid])

    def list_held(self) -> Iterator[HeldObject]:
        return (HeldObject(oid, self.theirs.size(oid) or 0) for oid in self.theirs.oids())

    def drop_objects(self, oids: Collection[str]) -> None:
        for oid in oids:
            self.theirs.delete(oid)


class _Reordering(_ShelfTransport):
    """Says what it lacks in an order of its own."""

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        return super().lacking(objects)[::-1]


class _Restarting(_ShelfTransport):
    """Sends all of an object, wherever it is asked to go on."""

    def read_from(self, oid: str, offset: int) -> Iterator[Buffer]:
        return super().read_from(oid, 0)


class _Forgetful(_ShelfTransport):
    """Lists nothing of what it has."""

    def list_held(self) -> Iterator[HeldObject]:
        return iter(())


class _Keeping(_ShelfTransport):
    """Drops nothing, and says nothing of it."""

    def drop_objects(self, oids: Collection[str]) -> None:
        pass


def laws_of(kind: type[_ShelfTransport]) -> TransportLaws:
    class Laws(TransportLaws):
        def open_transport(self, folder: Path, ours: Store) -> Transport:
            return kind(ours, MemoryStore.open(folder))

        def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
            return dict(MemoryStore.open(folder)._objects)

        def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
            MemoryStore.open(folder)._objects[oid] = content

        def losing(self, folder: Path) -> AbstractContextManager[object]:
            raise NotImplementedError

    return Laws()


@pytest.fixture
def ours(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "ours")


def keep_laws(laws: TransportLaws, folder: Path, ours: Store) -> None:
    """The laws that the wrong ones below break."""
    laws.test_what_an_earlier_try_left_is_not_sent_again(folder / "one", ours, folder)
    ours.delete(OID)
    laws.test_what_it_lists_is_there_and_what_it_drops_is_gone(folder / "two", ours)
    laws.test_push_puts_the_objects_on_the_remote(folder / "three", ours)


def test_one_that_keeps_the_laws_passes(tmp_path: Path, ours: Store) -> None:
    assert len(CONTENT) > 1000
    keep_laws(laws_of(_ShelfTransport), tmp_path, ours)


@pytest.mark.parametrize("kind", [_Reordering, _Restarting, _Forgetful, _Keeping])
def test_one_that_breaks_a_law_is_caught(kind: type[_ShelfTransport], tmp_path: Path, ours: Store) -> None:
    fill_store(ours)
    with pytest.raises(AssertionError):
        keep_laws(laws_of(kind), tmp_path, ours)
