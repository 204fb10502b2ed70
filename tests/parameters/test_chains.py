"""Parts that build on update bases: stored, read back along chains within bounds, and named where they are damaged."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from git_theta.cli.progress import Meter
from git_theta.errors import CorruptObject, MissingObject, PluginError, ThetaError
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.manifest.new_parts import NewParts
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.operations.keeping.inventory import ManifestBlob, take_inventory
from git_theta.operations.keeping.verify import verify_objects
from git_theta.operations.workers import Workers
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_decoding import read_values
from git_theta.parameters.value_encoding import encode_values
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK, Buffer, Parallel
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values
from git_theta.testing.blocks import noise_bytes, threaded_map
from tests.updates.delta_samples import trained, weights

DIFFERENCES = Preferences(("difference", "dense"))
SIZE = 2 * BLOCK + 20


@pytest.fixture(autouse=True)
def small_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The updates of ``tests.testing.sample_updates``, as if they were installed."""
    for name, kind in (("difference", "Difference"), ("above-smallest", "AboveSmallest"), ("xor-any", "Xor")):
        monkeypatch.setitem(BUILT_IN["updates"], name, f"tests.testing.sample_updates:{kind}Update")


def values_of(data: bytes, dtype: str = "F32") -> MemoryValues:
    return MemoryValues(Spec(BY_NAME[dtype], (len(data) * 8 // BY_NAME[dtype].bits,)), data)


def put(
    store: MemoryStore,
    values: MemoryValues,
    base: Entry | None = None,
    chosen: Preferences = DIFFERENCES,
    parallel: Parallel = map,
) -> Entry:
    """The values in the store, in an object of their own."""
    encoding = encode_values(values, parallel, chosen, StoredValues(base, store) if base else None)
    storage = Storage(encoding.coding, Place(*store.put(encoding.payload)))
    oid = hashlib.sha256(b"".join(values.blocks())).hexdigest()
    return Entry(oid, values.size, storage, "w", values.spec.dtype.name, values.spec.shape)


def version(number: int) -> bytes:
    """A tensor after so many steps: all of it moved a little, other than before."""
    return noise_bytes(SIZE).translate(bytes((value + 7 * number) % 256 for value in range(256)))


def put_versions(store: MemoryStore, depth: int) -> list[Entry]:
    """A dense version, and ``depth`` more, each on the one before."""
    entries = [put(store, values_of(version(0)))]
    for number in range(1, depth + 1):
        entries.append(put(store, values_of(version(number)), entries[-1]))
    return entries


def read(entry: Entry, store: MemoryStore, parallel: Parallel = map) -> bytes:
    return b"".join(read_values(entry, store, parallel))


@pytest.mark.parametrize("depth", [1, 2, MAX_CHAIN])
def test_a_chain_gives_the_values_back(depth: int) -> None:
    store = MemoryStore()
    entries = put_versions(store, depth)
    for number, entry in enumerate(entries):
        assert len(entry.storage.coding.chain) == number
        assert [link.oid for link in entry.storage.coding.chain] == [before.oid for before in entries[:number]]
    assert read(entries[-1], store) == version(depth)
    assert read(entries[-1], store, threaded_map(3)) == version(depth)
    assert len(entries[-1].storage.objects()) == depth + 1


def test_l4_a_chain_needs_no_other_manifest() -> None:
    """Every base is what it was as a part of its own."""
    store = MemoryStore()
    entries = put_versions(store, 3)
    for base, before in zip(entries[-1].storage.bases(), entries, strict=False):
        assert base == before._replace(name=None)


def test_beyond_the_cap_a_part_is_dense() -> None:
    store = MemoryStore()
    deepest = put_versions(store, MAX_CHAIN)[-1]
    assert put(store, values_of(version(99)), deepest).storage.coding == Coding("dense", "raw")


def test_l2_the_payload_depends_on_bytes_alone() -> None:
    stores = [MemoryStore() for _ in range(3)]
    for store, parallel in zip(stores, (map, threaded_map(1), threaded_map(5)), strict=True):
        first = put(store, values_of(version(0)), parallel=parallel)
        put(store, values_of(version(1)), first, parallel=parallel)
    assert len({frozenset(store.oids()) for store in stores}) == 1


def test_a_head_and_options_come_back() -> None:
    store = MemoryStore()
    for data in (version(0), bytes(range(9, 100)) * 20_000, b"", b"\7"):
        entry = put(store, values_of(data, "U8"), chosen=Preferences(("above-smallest",)))
        assert entry.storage.coding == Coding("above-smallest", "planes", {"unit": 1})
        assert read(entry, store) == data


def test_an_update_names_the_serializer_that_suits_it_and_a_person_may_name_another() -> None:
    store = MemoryStore()
    base = put(store, values_of(version(0)))
    for chosen, taken in (("", "frames"), ("raw", "frames"), ("planes", "planes"), ("msgpack", "msgpack")):
        entry = put(store, values_of(version(0)[:-4] + b"abcd"), base, Preferences(("delta",), chosen))
        assert (entry.storage.coding.update, entry.storage.coding.serializer) == ("delta", taken)
        assert read(entry, store) == version(0)[:-4] + b"abcd"


def test_raw_is_not_for_arrays_of_other_lengths() -> None:
    store = MemoryStore()
    chosen = Preferences(("above-smallest",), serializer="raw")
    assert put(store, values_of(version(0), "U8"), chosen=chosen).storage.coding.serializer == "planes"
    assert put(store, values_of(version(0), "U8"), chosen=Preferences(serializer="msgpack")).storage.coding == Coding(
        "dense", "msgpack"
    )


@pytest.mark.parametrize(
    ("dtype", "size"), [("F64", SIZE), ("BF16", SIZE // 2), ("U8", 5), ("F32", BLOCK), ("F32", 4 * BLOCK)]
)
def test_any_base_lies_beside_the_same_elements(dtype: str, size: int) -> None:
    store = MemoryStore()
    base = put(store, values_of(noise_bytes(size, 5), dtype))
    entry = put(store, values_of(version(1)), base, Preferences(("xor-any",)))
    assert entry.storage.coding.update == "xor-any"
    assert read(entry, store) == version(1)


@pytest.mark.parametrize(("dtype", "size"), [("I32", SIZE), ("F32", SIZE - 4), ("F32", SIZE + 4), ("F16", SIZE)])
def test_a_base_of_another_spec_is_none_for_an_update_that_wants_the_same(dtype: str, size: int) -> None:
    store = MemoryStore()
    base = put(store, values_of(noise_bytes(size), dtype))
    assert put(store, values_of(version(1)), base).storage.coding == Coding("dense", "raw")


def test_a_base_that_is_not_here_is_no_candidate() -> None:
    store = MemoryStore()
    base = put_versions(store, 1)[-1]
    for oid in base.storage.objects():
        held = store._objects.pop(oid)
        assert put(store, values_of(version(2)), base).storage.coding == Coding("dense", "raw")
        store._objects[oid] = held


def test_a_rotten_base_is_found_at_the_end_of_the_payload() -> None:
    store = MemoryStore()
    base = put(store, values_of(version(0)))
    store._objects[base.storage.place.object] = bytes(SIZE)
    with pytest.raises(CorruptObject, match=base.storage.place.object):
        put(store, values_of(version(1)), base)


def test_a_base_that_cannot_be_read_is_told_of_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an update that looks at its base before it says whether it pays."""
    from tests.testing.sample_updates import DifferenceUpdate

    def coder(self: DifferenceUpdate, values: Values, base: Values, settings: object) -> None:
        for _ in base.blocks():
            pass

    monkeypatch.setattr(DifferenceUpdate, "coder", coder)
    store = MemoryStore()
    base = put(store, values_of(version(0)))
    whole = encode_values(values_of(version(1)), map, DIFFERENCES, StoredValues(base, store))
    assert (whole.coding, whole.warning) == (Coding("dense", "raw"), "")
    store._objects[base.storage.place.object] = bytes(SIZE)
    rotten = encode_values(values_of(version(1)), map, DIFFERENCES, StoredValues(base, store))
    assert rotten.coding == Coding("dense", "raw")
    assert base.storage.place.object in rotten.warning


@pytest.mark.parametrize("link", [0, 1, 2])
def test_l5_a_damaged_base_is_corrupt_and_named(link: int) -> None:
    store = MemoryStore()
    entry = put_versions(store, 3)[-1]
    damaged = [place.object for place in entry.storage.places()][link]
    content = bytearray(store._objects[damaged])
    content[len(content) // 2] ^= 1
    store._objects[damaged] = bytes(content)
    with pytest.raises(CorruptObject, match=damaged) as caught:
        read(entry, store)
    assert caught.value.parameter == "w"
    assert "git theta fsck" in caught.value.hint


@pytest.mark.parametrize("link", [0, 1, 2, 3])
def test_a_missing_base_is_missing(link: int) -> None:
    store = MemoryStore()
    entry = put_versions(store, 3)[-1]
    lost = [place.object for place in entry.storage.places()][link]
    del store._objects[lost]
    with pytest.raises(MissingObject, match=lost) as caught:
        read(entry, store)
    assert caught.value.parameter == "w"


def forged(entry: Entry, at: int, **changes: object) -> Entry:
    """The entry with a link of its chain changed."""
    links = list(entry.storage.coding.chain)
    links[at] = links[at]._replace(**changes)  # type: ignore[arg-type]
    return entry._replace(storage=entry.storage._replace(coding=entry.storage.coding._replace(chain=tuple(links))))


def without_chain(entry: Entry) -> Entry:
    return entry._replace(storage=entry.storage._replace(coding=entry.storage.coding._replace(chain=())))


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "changes",
    [
        {"size": SIZE - 4, "shape": (SIZE // 4 - 1,)},
        {"size": SIZE + 4, "shape": (SIZE // 4 + 1,)},
        {"size": 1 << 60, "shape": (1 << 58,)},
        {"size": 0, "shape": (0,)},
        {"size": SIZE + 1},
        {"dtype": "F64"},
        {"dtype": "dtype of tomorrow"},
        {"shape": (1 << 62, 1 << 62)},
    ],
    ids=str,
)
def test_l10_a_link_that_lies_about_its_spec_is_corrupt(at: int, changes: dict[str, object]) -> None:
    store = MemoryStore()
    entry = put_versions(store, 2)[-1]
    with pytest.raises(CorruptObject):
        read(forged(entry, at, **changes), store)


def test_l10_a_link_of_another_place_or_update_is_refused() -> None:
    store = MemoryStore()
    first, second, third = put_versions(store, 2)
    lies: list[tuple[Entry, type[ThetaError]]] = [
        (forged(third, 0, place=second.storage.place), CorruptObject),
        (forged(third, 0, coding=Coding("difference", "planes")), CorruptObject),
        (forged(third, 1, coding=Coding("telepathy", "planes")), PluginError),
        (forged(third, 1, coding=Coding("difference", "planes", {"unknown": 1})), PluginError),
        (without_chain(third), CorruptObject),
        (
            first._replace(storage=third.storage._replace(coding=third.storage.coding._replace(update="dense"))),
            CorruptObject,
        ),
    ]
    for lie, error in lies:
        with pytest.raises(error):
            read(lie, store)


class Made:
    """Values that are made as they are read, and too many to hold."""

    size = 64 * BLOCK

    def __init__(self, shift: int) -> None:
        self.spec = Spec(BY_NAME["F32"], (self.size // 4,))
        self._block = noise_bytes(BLOCK)
        self._shift = bytes((value + shift) % 256 for value in range(256))

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        return (self._block.translate(self._shift) for _ in range(first, 64))


def test_l6_a_chain_is_read_and_written_in_bounded_memory() -> None:
    """O(workers x depth x block): here one worker."""
    store = MemoryStore()
    depth = 4
    entry: Entry | None = None
    peaks = []
    for number in range(depth + 1):
        values = Made(number)
        oid = hashlib.sha256(b"".join(values.blocks())).hexdigest()
        base = StoredValues(entry, store) if entry else None
        tracemalloc.start()
        encoding = encode_values(values, map, DIFFERENCES, base)
        for _ in encoding.payload:
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        encoding = encode_values(values, map, DIFFERENCES, base)
        storage = Storage(encoding.coding, Place(*store.put(encoding.payload)))
        entry = Entry(oid, values.size, storage, "w", "F32", values.spec.shape)
    assert entry is not None
    tracemalloc.start()
    for _ in read_values(entry, store, map):
        pass
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert max(peaks) < 8 * (depth + 1) * BLOCK < Made.size


def test_fsck_tells_of_each_damaged_object_of_a_chain_and_of_no_other() -> None:
    store, workers = MemoryStore(), Workers()
    entry = put_versions(store, 3)[-1]
    needed = take_inventory([ManifestBlob("model", "blob", NewParts(SIZE, SIZE, (entry,)))])
    assert {oid: parts.object_size for oid, parts in needed.objects.items()} == entry.storage.objects()
    try:
        assert list(verify_objects(needed, store, workers, Meter())) == []
        _, damaged, lost, _ = (place.object for place in entry.storage.places())
        store._objects[damaged] = store._objects[damaged][:-1] + b"?"
        del store._objects[lost]
        defects = list(verify_objects(needed, store, workers, Meter()))
    finally:
        workers.close()
    assert {(defect.object, type(defect.error), defect.parameters) for defect in defects} == {
        (damaged, CorruptObject, ("w",)),
        (lost, MissingObject, ("w",)),
    }


class CountingStore(MemoryStore):
    """Counts how often each object is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Counter[str] = Counter()

    def get(self, oid: str) -> BinaryIO:
        self.opened[oid] += 1
        return super().get(oid)


def test_each_link_is_read_once_whoever_looks_at_the_base() -> None:
    """Three updates look at the start of it, and the last one takes it: a fine-tune, as every add of one is."""
    store, shape = CountingStore(), (600, 512)
    versions = [weights("F32", 600 * 512)]
    for seed in (1, 2, 3):
        versions.append(trained(versions[-1], "F32", 1e-4, seed))
    entry: Entry | None = None
    for data in versions:
        store.opened.clear()
        entry = put(store, MemoryValues(Spec(BY_NAME["F32"], shape), data), entry, Preferences())
        if entry.storage.coding.chain:
            assert entry.storage.coding.update == "delta"
            assert set(store.opened.values()) == {1}
            assert len(store.opened) == len(entry.storage.coding.chain)
    assert entry and len(entry.storage.coding.chain) == 3
