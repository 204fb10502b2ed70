"""Small payloads in one object."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Place, Storage
from git_theta.operations.adding.bundle import Bundle
from git_theta.store.memory import MemoryStore

A, B, C = "a" * 64, "b" * 64, "c" * 64
RAW, PLANES = Coding("dense", "raw"), Coding("dense", "planes")


def test_payloads_lie_one_after_the_other() -> None:
    store, storages = MemoryStore(), dict[str, Storage]()
    bundle = Bundle(store, storages)
    bundle.add(A, RAW, b"first")
    bundle.add(B, PLANES, b"")
    bundle.add(C, PLANES, b"third")
    assert storages == {}
    bundle.close()
    (oid,) = store.oids()
    assert store.get(oid).read() == b"firstthird"
    assert storages == {
        A: Storage(RAW, Place(oid, 10, (0, 5))),
        B: Storage(PLANES, Place(oid, 10, (5, 0))),
        C: Storage(PLANES, Place(oid, 10, (5, 5))),
    }


def test_a_payload_alone_is_an_object_of_its_own() -> None:
    store, storages = MemoryStore(), dict[str, Storage]()
    bundle = Bundle(store, storages)
    bundle.add(A, RAW, b"alone")
    bundle.close()
    bundle.close()
    assert storages == {A: Storage(RAW, Place(next(store.oids()), 5))}


def test_a_part_is_taken_once() -> None:
    store = MemoryStore()
    storages = {A: Storage(RAW, Place(C, 5))}
    bundle = Bundle(store, storages)
    bundle.add(A, RAW, b"is stored")
    bundle.add(B, RAW, b"waits")
    bundle.add(B, RAW, b"waits")
    bundle.close()
    assert [store.get(oid).read() for oid in store.oids()] == [b"waits"]
    assert storages[A] == Storage(RAW, Place(C, 5))


def test_a_full_bundle_is_closed_and_another_begun() -> None:
    store, storages = MemoryStore(), dict[str, Storage]()
    bundle = Bundle(store, storages)
    for number in range(100):
        bundle.add(f"{number:064}", RAW, bytes([number]) * 60_000)
    bundle.close()
    sizes = sorted(len(store.get(oid).read()) for oid in store.oids())
    assert sum(sizes) == 6_000_000
    assert len(sizes) == 2
    assert sizes[-1] < 5 << 20
