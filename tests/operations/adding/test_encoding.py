"""Parts hashed and stored, whole and streamed; nobody waits for ever when the source or the store fails."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from git_theta.errors import ChangedFile, StoreError
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.computed_values import encode_computed
from git_theta.operations.adding.encoding import EncodedPart, PartEncoder, _HashedValues, prefer_known
from git_theta.operations.adding.part_label import NO_LABEL
from git_theta.operations.context import Context
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.parameters.preferences import DEFAULT_PREFERENCES, Preferences
from git_theta.parameters.value_decoding import read_values
from git_theta.store.base import Buffer, StoredObject
from git_theta.store.memory import MemoryStore
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, weight_bytes


class FullStore(MemoryStore):
    """Takes a few chunks, and then there is no more space."""

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        for count, _ in enumerate(chunks):
            if count == 5:
                raise StoreError("no space left")
        raise AssertionError("nothing to put")


FindStorage = Callable[[str, str, tuple[int, ...]], Storage | None]


def nothing(_oid: str, _dtype: str, _shape: tuple[int, ...]) -> Storage | None:
    return None


def knowing(known: dict[str, Storage]) -> FindStorage:
    """Finds these, by their oids."""
    return lambda oid, _dtype, _shape: known.get(oid)


def in_time(action: Callable[[], object], seconds: float = 20) -> BaseException | None:
    """What the action raised; fails when it takes for ever."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


def oid_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def values_of(data: bytes) -> MemoryValues:
    return MemoryValues(Spec(BY_NAME["F32"], (len(data) // 4,)), data)


def encoder_of(store: MemoryStore, known: FindStorage = nothing) -> PartEncoder:
    context = Context(store, StateDatabase(Path(os.devnull)), Workers(), Path(os.devnull), print)
    return PartEncoder(context, known)


def content(draft: EncodedPart, store: MemoryStore) -> bytes:
    """The part's bytes, read as a checkout would."""
    storage = draft.storage
    if storage is None:
        assert draft.coding
        storage = Storage(draft.coding, Place(*store.put([draft.payload])))
    return b"".join(read_values(Entry(draft.oid, draft.size, storage), store, map))


Way = Callable[[MemoryStore, FindStorage, bytes], EncodedPart]


def ways(workers: Workers) -> list[Way]:
    """All that a part of some bytes can be encoded by."""
    return [
        lambda store, known, data: encoder_of(store, known).encode_whole(values_of(data)),
        lambda store, known, data: encoder_of(store, known).encode_streamed(values_of(data), workers.map),
        lambda store, known, data: encoder_of(store, known).encode_if_new(values_of(data), workers.map),
        lambda store, known, data: prefer_known(computed(data, store), NO_LABEL, known),
    ]


def computed(data: bytes, store: MemoryStore, preferences: Preferences = DEFAULT_PREFERENCES) -> EncodedPart:
    return encode_computed(recut_blocks([data], BLOCK), 4, store, preferences, lambda _: None)


@pytest.mark.parametrize("size", [0, 4, 1000, SMALL_PAYLOAD, SMALL_PAYLOAD + 400_000, 5 * BLOCK + 4])
def test_l2_all_ways_store_the_same(workers: Workers, size: int) -> None:
    data, drafts = weight_bytes(size), []
    for encode in ways(workers):
        store = MemoryStore()
        draft = encode(store, nothing, data)
        assert (draft.oid, draft.size) == (oid_of(data), len(data))
        assert content(draft, store) == data
        drafts.append(draft)
    assert all(draft == drafts[0] for draft in drafts)


def test_a_small_payload_waits_for_a_bundle() -> None:
    store = MemoryStore()
    draft = encoder_of(store).encode_whole(values_of(weight_bytes(1000)))
    assert draft.storage is None
    assert draft.payload
    assert not draft.is_new
    assert list(store.oids()) == []


def test_l2_a_known_part_keeps_its_storage_whichever_way_it_comes(workers: Workers) -> None:
    data, storage = weight_bytes(5 * BLOCK), Storage(Coding("dense", "raw"), Place("a" * 64, 5 * BLOCK))
    known = knowing({oid_of(data): storage})
    for encode in ways(workers):
        assert encode(MemoryStore(), known, data) == EncodedPart(oid_of(data), len(data), storage)


def test_a_known_part_is_not_encoded(workers: Workers) -> None:
    data, store = weight_bytes(5 * BLOCK), MemoryStore()
    known = knowing({oid_of(data): Storage(Coding("dense", "raw"), Place("a" * 64, 5 * BLOCK))})
    encoder = encoder_of(store, known)
    encoder.encode_whole(values_of(data))
    encoder.encode_if_new(values_of(data), workers.map)
    assert list(store.oids()) == []


class Changing(MemoryValues):
    """Other bytes at each reading."""

    seed = 0

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        self.seed += 1
        return values_of(weight_bytes(self.size, self.seed)).blocks(first)


def test_a_file_that_changed_between_two_readings_is_an_error(workers: Workers) -> None:
    changing = Changing(Spec(BY_NAME["F32"], (3 * BLOCK // 4,)), bytes(3 * BLOCK))
    with pytest.raises(ChangedFile) as caught:
        encoder_of(MemoryStore()).encode_if_new(changing, workers.map)
    assert "Repeat" in caught.value.hint


def test_l5_what_is_stored_is_what_was_hashed_whatever_the_file_becomes(workers: Workers) -> None:
    changing, store = Changing(Spec(BY_NAME["F32"], (3 * BLOCK // 4,)), bytes(3 * BLOCK)), MemoryStore()
    for encode in (encoder_of(store).encode_whole, partial(encoder_of(store).encode_streamed, parallel=workers.map)):
        draft = encode(changing)
        assert oid_of(content(draft, store)) == draft.oid


@pytest.mark.parametrize("encode", ["encode_streamed", "encode_if_new"])
def test_a_store_that_fails_stops_the_reading(encode: str) -> None:
    workers, read = Workers(), []

    class Counted(MemoryValues):
        def blocks(self, first: int = 0) -> Iterator[Buffer]:
            for block in super().blocks(first):
                read.append(len(block))
                yield block

    values = Counted(Spec(BY_NAME["F32"], (100 * BLOCK // 4,)), noise_bytes(100 * BLOCK))
    encoder = encoder_of(FullStore())
    raised = in_time(lambda: getattr(encoder, encode)(values, workers.map))
    assert isinstance(raised, StoreError)
    hashed_before = 100 if encode == "encode_if_new" else 0
    assert len(read) < hashed_before + 50, "the rest of a large file is not read for nothing"
    assert in_time(workers.close) is None


@pytest.mark.parametrize("after", [0, 1, 3, 60])
def test_a_source_that_fails_leaves_nothing_behind(after: int) -> None:
    workers, store = Workers(), MemoryStore()

    class Dying(MemoryValues):
        def blocks(self, first: int = 0) -> Iterator[Buffer]:
            for number, block in enumerate(super().blocks(first)):
                if number == after:
                    raise ChangedFile("it shrank")
                yield block

    values = Dying(Spec(BY_NAME["F32"], (61 * BLOCK // 4,)), noise_bytes(61 * BLOCK))
    raised = in_time(lambda: encoder_of(store).encode_streamed(values, workers.map))
    assert isinstance(raised, ChangedFile)
    assert in_time(workers.close) is None
    assert list(store.oids()) == []


def test_no_update_is_offered_values_that_pass_once(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may look at them more than once, and its decoder would be told another spec."""
    monkeypatch.setitem(BUILT_IN["updates"], "above-smallest", "tests.testing.sample_updates:AboveSmallestUpdate")
    chosen = Preferences(("above-smallest",), "msgpack")
    assert computed(b"data", MemoryStore(), chosen).coding == Coding("dense", "msgpack")
    encoder = PartEncoder(context._replace(preferences=lambda: chosen), nothing)
    values = MemoryValues(Spec(BY_NAME["U8"], (4,)), b"data")
    assert encoder.encode_whole(values).coding == Coding("above-smallest", "msgpack", {"unit": 1})


def test_what_is_read_again_is_no_further_progress() -> None:
    data = noise_bytes(2 * BLOCK + 100)
    reported: list[int] = []
    values = _HashedValues(MemoryValues(Spec(BY_NAME["U8"], (len(data),)), data), reported.append)
    for most in (1, 2, 3, 3):
        assert b"".join(map(bytes, islice(values.blocks(), most))) == data[: most * BLOCK]
    assert list(values.blocks()) and list(values.blocks(1))
    assert reported == [BLOCK, BLOCK, 100]
    assert values.oid == hashlib.sha256(data).hexdigest()
