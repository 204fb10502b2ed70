"""Small payloads in one object."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Place, Storage
from git_theta.operations.adding.bundle import FULL_BUNDLE, Bundle
from git_theta.operations.adding.encoding import EncodedPart
from git_theta.operations.adding.stored_parts import StoredParts
from git_theta.operations.context import Context
from git_theta.store.memory import MemoryStore

A, B, C = "a" * 64, "b" * 64, "c" * 64
RAW, PLANES = Coding("dense", "raw"), Coding("dense", "planes")


def test_payloads_lie_one_after_the_other() -> None:
    store, bundle = MemoryStore(), Bundle()
    bundle.add(A, RAW, b"first")
    bundle.add(B, PLANES, b"")
    bundle.add(C, PLANES, b"third")
    storages = bundle.put(store)
    (oid,) = store.oids()
    assert store.get(oid).read() == b"firstthird"
    assert storages == {
        A: Storage(RAW, Place(oid, 10, (0, 5))),
        B: Storage(PLANES, Place(oid, 10, (5, 0))),
        C: Storage(PLANES, Place(oid, 10, (5, 5))),
    }


def test_a_payload_alone_is_an_object_of_its_own() -> None:
    store, bundle = MemoryStore(), Bundle()
    bundle.add(A, RAW, b"alone")
    assert bundle.put(store) == {A: Storage(RAW, Place(next(store.oids()), 5))}


def test_nothing_is_no_object() -> None:
    store = MemoryStore()
    assert Bundle().put(store) == {}
    assert list(store.oids()) == []


def small(oid: str, payload: bytes) -> EncodedPart:
    """A part whose payload waits for a bundle."""
    return EncodedPart(oid, len(payload), None, RAW, payload)


def test_of_equal_parts_the_first_decides(context: Context) -> None:
    stored = StoredParts(context)
    elsewhere = Storage(RAW, Place(C, 5))
    stored.add(EncodedPart(A, 5, elsewhere))
    for part in (small(A, b"is stored"), small(B, b"waits"), small(B, b"waits"), EncodedPart(B, 5, elsewhere)):
        stored.add(part)
    storages = stored.finish()
    assert [context.store.get(oid).read() for oid in context.store.oids()] == [b"waits"]
    assert storages == {A: elsewhere, B: Storage(RAW, Place(next(context.store.oids()), 5))}


def test_a_full_bundle_is_put_and_another_begun(context: Context) -> None:
    stored, parts = StoredParts(context), 100
    size = 3 * FULL_BUNDLE // parts
    for number in range(parts):
        stored.add(small(f"{number:064}", bytes([number]) * size))
    storages = stored.finish()
    sizes = sorted(context.store.size(oid) or 0 for oid in context.store.oids())
    assert sum(sizes) == parts * size
    assert len(sizes) == 3
    assert sizes[-1] < FULL_BUNDLE + size
    for number in (0, 40, 99):
        place = storages[f"{number:064}"].place
        assert context.store.get(place.object).read()[place.offset :][: place.size] == bytes([number]) * size


def test_what_is_durable_is_remembered_at_the_end(context: Context) -> None:
    stored, elsewhere = StoredParts(context), Storage(RAW, Place(C, 5))
    stored.add(EncodedPart(A, 5, elsewhere, is_new=True))
    stored.add(EncodedPart(B, 5, elsewhere))
    assert context.state.storage_of(A) is None
    stored.finish()
    assert context.state.storage_of(A) == elsewhere
    assert context.state.storage_of(B) is None, "it was known, or nobody put it: whoever says so remembers"


def test_l5_parts_are_remembered_once_their_object_is_durable(context: Context) -> None:
    """Not before the store was synced; and not only at the end, which an interrupted add does not reach."""
    done: list[str] = []

    class Watched(MemoryStore):
        def sync(self) -> None:
            done.append("synced")
            assert context.state.storage_of(A) is None

    stored = StoredParts(context._replace(store=Watched()))
    large = Storage(RAW, Place(C, 65 << 20))
    stored.add(EncodedPart(A, 65 << 20, large, is_new=True))
    assert done == ["synced"]
    assert context.state.storage_of(A) == large
