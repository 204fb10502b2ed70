"""Parts hashed and stored, whole and streamed; nobody waits for ever when the source or the store fails."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from git_theta import parameters
from git_theta.errors import ChangedFile, StoreError
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.encoding import EncodedPart, PartEncoder
from git_theta.operations.workers import Workers
from git_theta.store.base import Buffer, StoredObject
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK
from git_theta.testing.blocks import noise_bytes, weight_bytes


class FullStore(MemoryStore):
    """Takes a few chunks, and then there is no more space."""

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        for count, _ in enumerate(chunks):
            if count == 5:
                raise StoreError("no space left")
        raise AssertionError("nothing to put")


def nothing(_oid: str) -> Storage | None:
    return None


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


def content(draft: EncodedPart, store: MemoryStore) -> bytes:
    """The part's bytes, read as a checkout would."""
    storage = draft.storage
    if storage is None:
        assert draft.coding
        storage = Storage(draft.coding, Place(*store.put([draft.payload])))
    return b"".join(parameters.read_values(Entry(draft.oid, draft.size, storage), store, map))


@pytest.mark.parametrize("size", [0, 1, 1000, SMALL_PAYLOAD, SMALL_PAYLOAD + 40_000, 5 * BLOCK + 4])
def test_whole_streamed_and_made_store_the_same(workers: Workers, size: int) -> None:
    data, drafts = weight_bytes(size), []
    encodes: list[Callable[[PartEncoder], EncodedPart]] = [
        lambda encoder: encoder.encode_whole(data, 4),
        lambda encoder: encoder.encode_stream(parameters.blocks_of(data), len(data), 4),
        lambda encoder: encoder.encode_computed(parameters.blocks_of(data), 4),
    ]
    for encode in encodes:
        store = MemoryStore()
        draft = encode(PartEncoder(store, workers, nothing))
        assert (draft.oid, draft.size) == (oid_of(data), len(data))
        assert content(draft, store) == data
        drafts.append(draft)
    assert drafts[0] == drafts[1] == drafts[2]


def test_a_small_payload_waits_for_a_bundle(workers: Workers) -> None:
    store = MemoryStore()
    draft = PartEncoder(store, workers, nothing).encode_whole(weight_bytes(1000), 4)
    assert draft.storage is None
    assert draft.payload
    assert list(store.oids()) == []


def test_a_known_part_is_not_stored_again(workers: Workers) -> None:
    data, storage = weight_bytes(3 * BLOCK), Storage(Coding("dense", "raw"), Place("a" * 64, 3 * BLOCK))
    known = {oid_of(data): storage}
    store = MemoryStore()
    encoder = PartEncoder(store, workers, known.get)
    assert encoder.encode_whole(data, 4) == EncodedPart(oid_of(data), len(data), storage)
    never = pytest.fail
    expected = encoder.encode_if_new(parameters.blocks_of(data), lambda: never("read again"), len(data), 4)
    assert expected == EncodedPart(oid_of(data), len(data), storage)
    assert list(store.oids()) == []
    assert encoder.encode_computed(parameters.blocks_of(data), 4).storage == storage


def test_a_part_that_is_new_after_all_is_read_again(workers: Workers) -> None:
    data, store = weight_bytes(3 * BLOCK), MemoryStore()
    draft = PartEncoder(store, workers, nothing).encode_if_new(
        parameters.blocks_of(data), lambda: parameters.blocks_of(data), len(data), 4
    )
    assert draft.oid == oid_of(data)
    assert content(draft, store) == data


def test_a_file_that_changed_between_two_readings_is_an_error(workers: Workers) -> None:
    one, other = weight_bytes(3 * BLOCK, seed=1), weight_bytes(3 * BLOCK, seed=2)
    encoder = PartEncoder(MemoryStore(), workers, nothing)
    with pytest.raises(ChangedFile) as caught:
        encoder.encode_if_new(parameters.blocks_of(one), lambda: parameters.blocks_of(other), len(one), 4)
    assert "Repeat" in caught.value.hint


def test_a_store_that_fails_stops_the_stream() -> None:
    workers = Workers()
    encoder = PartEncoder(FullStore(), workers, nothing)
    blocks = (noise_bytes(BLOCK, seed) for seed in range(200))
    raised = in_time(lambda: encoder.encode_stream(blocks, 200 * BLOCK, 4))
    assert isinstance(raised, StoreError)
    assert next(blocks, None) is not None, "the rest of a large file is not read for nothing"
    assert in_time(workers.close) is None


@pytest.mark.parametrize("after", [0, 1, 3, 60])
def test_a_source_that_fails_stops_the_lane(after: int) -> None:
    """A lane that waits for the next block for ever would keep the process from ending."""
    workers, store = Workers(), MemoryStore()

    def dying() -> Iterator[bytes]:
        for seed in range(after):
            yield noise_bytes(BLOCK, seed)
        raise ChangedFile("it shrank")

    raised = in_time(lambda: PartEncoder(store, workers, nothing).encode_stream(dying(), 200 * BLOCK, 4))
    assert isinstance(raised, ChangedFile)
    assert in_time(workers.close) is None
    assert list(store.oids()) == []
