"""The laws of ``git_theta.store.base``."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, StoreError, TransportError
from git_theta.store.base import Buffer, Store, StoredObject

CONTENT = b"an object's bytes"
OID = hashlib.sha256(CONTENT).hexdigest()
ABSENT = hashlib.sha256(b"never put").hexdigest()
NOT_OIDS = (
    "", "..", "../" * 20 + "etc/passwd", "/etc/passwd", OID[:-1], OID + "0", OID + "\n", OID.upper(), "g" * 64,
    "\0" * 64, "\N{FULLWIDTH DIGIT ZERO}" * 64, OID[:32] + "/" + OID[33:],
)  # fmt: skip


class _SourceDied(Exception):
    """What the source of an object raises in the middle of it."""


class StoreLaws(ABC):
    """Derive, and say how to make a store and how to look behind its back."""

    @abstractmethod
    def make_store(self, folder: Path) -> Store:
        """A new, empty store; ``folder`` is a directory of its own. Called again, it opens the same store."""

    @abstractmethod
    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        """Everything that is kept, by whatever key, read without the store's own code; leftovers too."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """The store under test."""
        return self.make_store(tmp_path)

    def test_put_answers_the_id_and_the_size(self, store: Store) -> None:
        assert store.put([CONTENT]) == StoredObject(OID, len(CONTENT))

    def test_what_was_put_is_kept_as_it_is(self, store: Store) -> None:
        store.put([CONTENT])
        assert list(self.raw_contents(store).values()) == [CONTENT]

    def test_an_object_is_the_concatenation_of_its_chunks(self, store: Store) -> None:
        chunks: list[Buffer] = [CONTENT[:3], b"", bytearray(CONTENT[3:5]), memoryview(CONTENT)[5:]]
        assert store.put(iter(chunks)).oid == OID
        assert _read_object(store, OID) == CONTENT

    def test_an_object_may_be_empty(self, store: Store) -> None:
        oid, size = store.put([])
        assert (oid, size) == (hashlib.sha256().hexdigest(), 0)
        assert (_read_object(store, oid), store.size(oid), store.has(oid)) == (b"", 0, True)

    def test_put_is_idempotent(self, store: Store) -> None:
        first, kept = store.put([CONTENT]), dict(self.raw_contents(store))
        assert store.put([CONTENT[:7], CONTENT[7:]]) == first
        assert dict(self.raw_contents(store)) == kept

    def test_put_is_atomic_when_its_source_dies(self, store: Store) -> None:
        store.put([b"another object"])
        before = dict(self.raw_contents(store))

        def dying() -> Iterator[bytes]:
            yield CONTENT
            raise _SourceDied

        with pytest.raises(_SourceDied):
            store.put(dying())
        assert dict(self.raw_contents(store)) == before

    def test_nobody_sees_an_object_before_it_is_whole(self, store: Store, tmp_path: Path) -> None:
        seen = []

        def watch_chunks() -> Iterator[bytes]:
            yield CONTENT[:5]
            seen.append((store.size(OID), self.make_store(tmp_path).has(OID), OID in store.oids()))
            yield CONTENT[5:]

        store.put(watch_chunks())
        assert seen == [(None, False, False)]
        assert store.has(OID)

    def test_a_missing_object_is_said_to_be_missing(self, store: Store) -> None:
        with pytest.raises(MissingObject, match=ABSENT):
            store.get(ABSENT)
        assert store.size(ABSENT) is None
        assert not store.has(ABSENT)

    @pytest.mark.parametrize("text", NOT_OIDS, ids=ascii)
    def test_an_id_is_checked_before_it_is_used(self, store: Store, text: str) -> None:
        for ask in (
            store.get, store.size, store.has, store.find, store.delete, store.set_aside, store.freshen, store.stored_at,
        ):  # fmt: skip
            with pytest.raises(StoreError, match="not an object id"):
                ask(text)

    def test_an_object_opens_for_seeking(self, store: Store) -> None:
        oid = store.put([bytes(range(256)) * 100]).oid
        with store.get(oid) as one, store.get(oid) as other:
            one.seek(256 + 7)
            assert one.read(3) == bytes([7, 8, 9])
            assert other.read(2) == bytes([0, 1])
            one.seek(1 << 40)
            assert one.read(1) == b""

    def test_oids_are_those_that_were_put(self, store: Store) -> None:
        assert list(store.oids()) == []
        put = {store.put([bytes([number])]).oid for number in range(20)}
        assert sorted(store.oids()) == sorted(put)

    def test_sync_may_come_at_any_time(self, store: Store) -> None:
        store.sync()
        store.put([CONTENT])
        store.sync()
        store.sync()
        assert _read_object(store, OID) == CONTENT

    def test_threads_may_put_at_the_same_time(self, store: Store) -> None:
        contents = [bytes([number % 10]) * 70_000 for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(lambda content: store.put([content]), contents))
        assert [oid for oid, _ in stored] == [hashlib.sha256(content).hexdigest() for content in contents]
        assert sorted(self.raw_contents(store).values()) == sorted(set(contents))

    def test_a_range_is_read_from_its_place(self, store: Store) -> None:
        oid = store.put([bytes(range(256)) * 5000]).oid
        with store.get(oid) as file:
            for at in (1_000_000, 17, 256_000):
                file.seek(at)
                assert file.read(5) == bytes((at + number) % 256 for number in range(5))

    def test_what_is_deleted_is_gone_and_can_be_put_again(self, store: Store) -> None:
        other = store.put([b"another object"]).oid
        store.put([CONTENT])
        store.delete(OID)
        assert (store.size(OID), list(store.oids())) == (None, [other])
        with pytest.raises(MissingObject):
            store.get(OID)
        store.delete(OID)
        assert store.put([CONTENT]).oid == OID
        assert _read_object(store, OID) == CONTENT

    def test_a_file_that_it_finds_is_the_object(self, store: Store) -> None:
        store.put([CONTENT])
        file = store.find(OID)
        assert file is None or file.read_bytes() == CONTENT
        assert store.find(ABSENT) is None

    def test_it_adopts_a_file_and_leaves_it_alone(self, store: Store, tmp_path: Path) -> None:
        file = tmp_path / "a file"
        file.write_bytes(CONTENT)
        for _ in range(2):
            store.adopt(file, OID)
        assert (_read_object(store, OID), list(store.oids())) == (CONTENT, [OID])
        file.write_bytes(CONTENT[::-1])  # its owner may do that
        assert _read_object(store, OID) == CONTENT

    def test_it_adopts_nothing_that_is_not_the_object(self, store: Store, tmp_path: Path) -> None:
        file = tmp_path / "a file"
        file.write_bytes(CONTENT[::-1])
        with pytest.raises(CorruptObject, match=OID):
            store.adopt(file, OID)
        with pytest.raises(TransportError, match=ABSENT):
            store.adopt(tmp_path / "none", ABSENT)
        assert (list(store.oids()), dict(self.raw_contents(store))) == ([], {})

    def test_what_is_whole_is_not_set_aside(self, store: Store) -> None:
        store.put([CONTENT])
        store.set_aside(OID)
        store.set_aside(ABSENT)
        assert _read_object(store, OID) == CONTENT

    def test_what_is_freshened_is_here(self, store: Store) -> None:
        store.put([CONTENT])
        assert (store.freshen(OID), store.freshen(ABSENT)) == (True, False)
        assert _read_object(store, OID) == CONTENT
        store.delete(OID)
        assert not store.freshen(OID)

    def test_what_was_freshened_since_is_not_deleted_for_its_age(self, store: Store) -> None:
        store.put([CONTENT])
        stored = _stored_at(store)
        assert abs(stored - time.time()) < 60
        assert store.stored_at(ABSENT) is None
        for renew in (lambda: store.freshen(OID), lambda: store.put([CONTENT])):
            time.sleep(0.06)
            moment = time.time() - 0.03  # file systems count time in ticks
            renew()
            assert _stored_at(store) > moment
            assert not store.delete_older(OID, moment)
            assert _read_object(store, OID) == CONTENT
        assert not store.delete_older(ABSENT, time.time() + 60)
        assert store.delete_older(OID, time.time() + 60)
        assert (store.size(OID), list(store.oids())) == (None, [])
        assert not store.delete_older(OID, time.time() + 60)


class DurableStoreLaws(StoreLaws):
    """Further laws of a store that outlives its process."""

    def test_a_second_opening_finds_the_objects(self, store: Store, tmp_path: Path) -> None:
        store.put([CONTENT])
        store.sync()
        again = self.make_store(tmp_path)
        assert (_read_object(again, OID), list(again.oids())) == (CONTENT, [OID])


def _read_object(store: Store, oid: str) -> bytes:
    with store.get(oid) as file:
        return file.read()


def _stored_at(store: Store) -> float:
    """When the object was stored; the test ends here for a store that does not tell ages, as it need not."""
    try:
        stored = store.stored_at(OID)
    except StoreError:
        pytest.skip("this store does not tell how old its objects are")
    assert stored is not None
    return stored
