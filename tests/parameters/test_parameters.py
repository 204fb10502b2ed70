"""Bytes of a part to storage and back: the choice of a serializer, and that nothing false is handed out as true."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from git_theta.errors import CorruptObject, MissingObject, PluginError, ThetaError
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.parameters.preferences import DEFAULT_PREFERENCES, Preferences
from git_theta.parameters.value_decoding import read_values
from git_theta.parameters.value_encoding import Encoding, encode_values
from git_theta.serializers.base import SERIALIZERS
from git_theta.store.memory import MemoryStore
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK, Array, Buffer, Parallel
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import damage_payload, noise_bytes, sample_blocks, threaded_map, weight_bytes

NAMES = ("raw", "planes", "msgpack")


def put(store: MemoryStore, data: bytes, serializer: str, bundled: bool = False) -> Entry:
    """A part in the store, in an object of its own or with neighbours."""
    chosen = SERIALIZERS.load_plugin(serializer)
    payload = b"".join(chosen.encode([(Array(4, piece),) for piece in recut_blocks([data], BLOCK)], map))
    before, after = (b"before", b"after") if bundled else (b"", b"")
    oid, size = store.put([before, payload, after])
    place = (len(before), len(payload)) if bundled else None
    storage = Storage(Coding("dense", serializer), Place(oid, size, place))
    return Entry(hashlib.sha256(data).hexdigest(), len(data), storage, "layer.weight", "F32", (len(data) // 4,))


def values_of(data: bytes, width: int = 4) -> MemoryValues:
    """Numbers of ``width`` bytes, or bytes where they are no whole number of them."""
    whole = width if len(data) % width == 0 else 1
    return MemoryValues(Spec(BY_NAME[f"U{8 * whole}"], (len(data) // whole,)), data)


def encode(data: bytes, preferences: Preferences = DEFAULT_PREFERENCES) -> Encoding:
    return encode_values(values_of(data), map, preferences)


def read(entry: Entry, store: MemoryStore, parallel: Parallel = map) -> bytes:
    return b"".join(read_values(entry, store, parallel))


@pytest.mark.parametrize("bundled", [False, True])
@pytest.mark.parametrize("serializer", NAMES)
def test_what_was_stored_is_read(serializer: str, bundled: bool) -> None:
    store = MemoryStore()
    for data in (b"", b"\0", noise_bytes(13), weight_bytes(3 * BLOCK + 4)):
        entry = put(store, data, serializer, bundled)
        assert read(entry, store) == data
        assert read(entry, store, threaded_map(3)) == data


@pytest.mark.parametrize("size", [1, 5, 1000, BLOCK - 1])
@pytest.mark.parametrize("serializer", NAMES)
def test_what_was_stored_in_several_objects_is_read(serializer: str, size: int) -> None:
    """Cut anywhere: within a length, a plane, an array."""
    data = weight_bytes(2 * BLOCK + 4) if size > 100 else weight_bytes(400)
    store = MemoryStore()
    entry = split(store, put(store, data, serializer), size)
    assert len(entry.storage.place.rest) > 0
    assert read(entry, store) == data
    assert read(entry, store, threaded_map(3)) == data


def split(store: MemoryStore, entry: Entry, size: int) -> Entry:
    """The part with its payload in objects of ``size`` bytes."""
    payload = store.get(entry.storage.place.object).read()
    objects = [store.put([payload[at : at + size]]) for at in range(0, len(payload), size)]
    return entry._replace(storage=entry.storage._replace(place=Place.of_objects(objects)))


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("serializer", NAMES)
def test_l5_of_several_objects_the_damaged_one_is_named(serializer: str, at: int) -> None:
    store, data = MemoryStore(), weight_bytes(4000)
    entry = put(store, data, serializer)
    entry = split(store, entry, entry.storage.place.size // 3 + 1)
    oid, _ = entry.storage.place.objects()[at]
    for content in damage_payload(store.get(oid).read()):
        store._objects[oid] = content
        try:
            assert read(entry, store) == data  # what comes after an object's size is not read
        except CorruptObject as error:
            assert error.message.startswith(f"object {oid} does not hold these values")
            assert error.parameter == "layer.weight"
        else:
            assert len(content) >= entry.storage.place.objects()[at][1]
    del store._objects[oid]
    with pytest.raises(MissingObject, match=rf"layer\.weight: object {oid} is missing"):
        read(entry, store)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_encode_then_read_is_the_identity(width: int) -> None:
    for length in (0, 1, 7, 8, BLOCK, BLOCK + 1, 2 * BLOCK + 8):
        for data in sample_blocks(length, width):
            store = MemoryStore()
            encoding = encode_values(values_of(data, width), map)
            storage = Storage(encoding.coding, Place(*store.put(encoding.payload)))
            entry = Entry(hashlib.sha256(data).hexdigest(), len(data), storage)
            assert read(entry, store) == data


def test_what_shrinks_is_stored_as_planes_and_what_does_not_is_raw() -> None:
    assert encode(weight_bytes(8192)).coding == Coding("dense", "planes")
    assert encode(noise_bytes(8192)).coding == Coding("dense", "raw")
    assert encode(b"").coding == Coding("dense", "raw")


class CountedValues(MemoryValues):
    """Values that know how many of their blocks somebody has taken."""

    taken = 0

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        for block in super().blocks(first):
            self.taken += 1
            yield block


def test_a_part_of_one_block_is_encoded_once() -> None:
    values = CountedValues(values_of(b"").spec, weight_bytes(BLOCK))
    encoding = encode_values(values, map)
    assert encoding.coding == Coding("dense", "planes")
    assert b"".join(encoding.payload) == b"".join(encode_values(values, map, Preferences(serializer="planes")).payload)
    assert values.taken == 2  # each of them took its one block once


def test_l2_the_payload_depends_on_the_bytes_alone() -> None:
    data = weight_bytes(6 * BLOCK + 20)
    payloads = {
        b"".join(encode_values(values_of(data), parallel).payload)
        for parallel in (map, threaded_map(1), threaded_map(2), threaded_map(7))
    }
    assert len(payloads) == 1


@pytest.mark.parametrize("serializer", NAMES)
def test_l5_damage_is_corrupt_and_never_anything_else(serializer: str) -> None:
    data = weight_bytes(2000)
    store = MemoryStore()
    whole = put(store, data, serializer)
    for payload in damage_payload(store.get(whole.storage.place.object).read()):
        storage = whole.storage._replace(place=Place(*store.put([payload])))
        _read_or_corrupt(whole._replace(storage=storage), store, data)


class OneObject(MemoryStore):
    """A store whose object has other bytes than its id says, as after a disk's failure."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    def get(self, oid: str) -> BinaryIO:
        return io.BytesIO(self.content)


@pytest.mark.parametrize("serializer", NAMES)
def test_l5_an_object_that_changed_on_disk_is_corrupt(serializer: str) -> None:
    data = weight_bytes(2000)
    store = MemoryStore()
    entry = put(store, data, serializer, bundled=True)
    for content in damage_payload(store.get(entry.storage.place.object).read()):
        _read_or_corrupt(entry, OneObject(content), data)


def _read_or_corrupt(entry: Entry, store: MemoryStore, data: bytes) -> None:
    try:
        assert read(entry, store) == data
    except CorruptObject as error:
        assert error.parameter == "layer.weight"


@pytest.mark.parametrize(
    "change",
    [{"size": 3996}, {"size": 4004}, {"size": 0}, {"size": 1 << 62}, {"oid": "0" * 64}],
    ids=str,
)
def test_l5_values_that_are_not_the_entrys_are_corrupt(change: dict[str, int | str]) -> None:
    store = MemoryStore()
    entry = put(store, weight_bytes(4000), "planes")
    with pytest.raises(CorruptObject, match=r"layer\.weight: .* does not hold these values") as caught:
        read(entry._replace(**change), store)  # type: ignore[arg-type]
    assert "git theta fsck" in caught.value.hint


@pytest.mark.parametrize("serializer", NAMES)
@pytest.mark.parametrize("place", [(0, 1 << 40), (1 << 62, 8), (3, 0)])
def test_a_range_that_lies_is_corrupt(serializer: str, place: tuple[int, int]) -> None:
    store = MemoryStore()
    entry = put(store, weight_bytes(4000), serializer)
    with pytest.raises(CorruptObject):
        read(
            entry._replace(storage=entry.storage._replace(place=Place(entry.storage.place.object, 1 << 63, place))),
            store,
        )


def test_what_is_wrong_names_the_parameter() -> None:
    store = MemoryStore()
    entry = put(store, weight_bytes(4000), "raw")
    wrong: list[tuple[dict[str, Place | Coding], type[ThetaError]]] = [
        ({"place": Place("0" * 64, 4000)}, MissingObject),
        ({"coding": Coding("telepathy", "raw")}, PluginError),
        ({"coding": Coding("dense", "runes")}, PluginError),
    ]
    for change, error in wrong:
        with pytest.raises(error) as caught:
            read(entry._replace(storage=entry.storage._replace(**change)), store)  # type: ignore[arg-type]
        assert caught.value.parameter == "layer.weight"


def test_reading_stops_at_the_first_byte_too_many() -> None:
    """A payload that decodes to more than its entry must not fill a disk before it is called corrupt."""
    store = MemoryStore()
    entry = put(store, bytes(64 * BLOCK), "planes")._replace(size=BLOCK)
    pieces = read_values(entry, store, map)
    assert len(next(pieces)) == BLOCK
    with pytest.raises(CorruptObject):
        next(pieces)
