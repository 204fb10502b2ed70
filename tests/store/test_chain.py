"""A store and those it borrows from: one store to read, its own alone to write."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from git_theta.errors import MissingObject
from git_theta.store.base import Store
from git_theta.store.chain import StoreChain
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.stores import ABSENT, CONTENT, OID, DurableStoreLaws


class TestStoreChain(DurableStoreLaws):
    """Beside lenders that have nothing, a chain is its own store."""

    def make_store(self, folder: Path) -> Store:
        return StoreChain(LocalStore(folder / "theta"), [MemoryStore(), LocalStore(folder / "lender")])

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, StoreChain) and isinstance(store._own, LocalStore)
        return {path.name: path.read_bytes() for path in store._own.root.rglob("*") if path.is_file()}


def test_what_is_borrowed_is_read_and_never_written(tmp_path: Path) -> None:
    other = LocalStore(tmp_path / "other")
    other.put([CONTENT])
    kept = sorted(other.root.rglob("*"))
    store = StoreChain(LocalStore(tmp_path / "theta"), [MemoryStore(), other])
    with store.get(OID) as file:
        assert file.read() == CONTENT
    assert (store.size(OID), store.find(OID)) == (len(CONTENT), other.find(OID))
    assert list(store.oids()) == []
    store.put([b"mine"])
    store.put([CONTENT])
    assert sorted(store.oids()) == sorted([OID, hashlib.sha256(b"mine").hexdigest()])
    store.delete(OID)
    store.set_aside(OID)
    assert store.has(OID)
    assert sorted(other.root.rglob("*")) == kept


def test_what_no_store_has_is_missing(tmp_path: Path) -> None:
    store = StoreChain(MemoryStore(), [LocalStore(tmp_path)])
    with pytest.raises(MissingObject, match=ABSENT):
        store.get(ABSENT)


def test_a_lender_without_files_is_no_obstacle() -> None:
    lender = MemoryStore()
    lender.put([CONTENT])
    store = StoreChain(MemoryStore(), [lender])
    assert (store.find(OID), store.size(OID)) == (None, len(CONTENT))


def test_what_is_ours_is_freshened_and_what_is_borrowed_is_left_alone(tmp_path: Path) -> None:
    own, former, lender = LocalStore(tmp_path / "own"), LocalStore(tmp_path / "former"), LocalStore(tmp_path / "lender")
    oids = {store: store.put([store.root.name.encode()]).oid for store in (own, former, lender)}
    for store, oid in oids.items():
        file = store.find(oid)
        assert file
        os.utime(file, (1_000_000_000, 1_000_000_000))
    chain = StoreChain(own, [lender], [former])
    assert all(map(chain.freshen, oids.values()))
    assert not chain.freshen(ABSENT)
    ages = [(store.stored_at(oid) or 0) > 1_000_000_000 for store, oid in oids.items()]
    assert ages == [True, True, False]
    assert not chain.delete_older(oids[lender], time.time() + 60)
    assert lender.has(oids[lender])
