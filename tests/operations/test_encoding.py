"""Parts hashed and stored, whole and streamed; nobody waits for ever when the source or the store fails."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from git_theta import parameters
from git_theta.errors import ChangedFile, StoreError
from git_theta.manifest.model import Entry, Storage
from git_theta.operations.adding.bundle import SMALL
from git_theta.operations.adding.encoding import Draft, Encoder
from git_theta.operations.workers import Workers
from git_theta.store.base import Buffer, Stored
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK
from git_theta.testing.blocks import noise, weights


class FullStore(MemoryStore):
    """Takes a few chunks, and then there is no more space."""

    def put(self, chunks: Iterable[Buffer]) -> Stored:
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


def content(draft: Draft, store: MemoryStore) -> bytes:
    """The part's bytes, read as a checkout would."""
    storage = draft.storage or Storage("dense", draft.serializer, *store.put([draft.payload]))
    return b"".join(parameters.read(Entry(draft.oid, draft.size, storage), store, map))


@pytest.mark.parametrize("size", [0, 1, 1000, SMALL, SMALL + 40_000, 5 * BLOCK + 4])
def test_whole_streamed_and_made_store_the_same(workers: Workers, size: int) -> None:
    data, drafts = weights(size), []
    encodes: list[Callable[[Encoder], Draft]] = [
        lambda encoder: encoder.whole(data, 4),
        lambda encoder: encoder.streamed(parameters.blocks(data), len(data), 4),
        lambda encoder: encoder.made(parameters.blocks(data), 4),
    ]
    for encode in encodes:
        store = MemoryStore()
        draft = encode(Encoder(store, workers, nothing))
        assert (draft.oid, draft.size) == (oid_of(data), len(data))
        assert content(draft, store) == data
        drafts.append(draft)
    assert drafts[0] == drafts[1] == drafts[2]


def test_a_small_payload_waits_for_a_bundle(workers: Workers) -> None:
    store = MemoryStore()
    draft = Encoder(store, workers, nothing).whole(weights(1000), 4)
    assert draft.storage is None
    assert draft.payload
    assert list(store.oids()) == []


def test_a_known_part_is_not_stored_again(workers: Workers) -> None:
    data, storage = weights(3 * BLOCK), Storage("dense", "raw", "a" * 64, 3 * BLOCK)
    known = {oid_of(data): storage}
    store = MemoryStore()
    encoder = Encoder(store, workers, known.get)
    assert encoder.whole(data, 4) == Draft(oid_of(data), len(data), storage)
    never = pytest.fail
    expected = encoder.expected(parameters.blocks(data), lambda: never("read again"), len(data), 4)
    assert expected == Draft(oid_of(data), len(data), storage)
    assert list(store.oids()) == []
    assert encoder.made(parameters.blocks(data), 4).storage == storage


def test_a_part_that_is_new_after_all_is_read_again(workers: Workers) -> None:
    data, store = weights(3 * BLOCK), MemoryStore()
    draft = Encoder(store, workers, nothing).expected(
        parameters.blocks(data), lambda: parameters.blocks(data), len(data), 4
    )
    assert draft.oid == oid_of(data)
    assert content(draft, store) == data


def test_a_file_that_changed_between_two_readings_is_an_error(workers: Workers) -> None:
    one, other = weights(3 * BLOCK, seed=1), weights(3 * BLOCK, seed=2)
    encoder = Encoder(MemoryStore(), workers, nothing)
    with pytest.raises(ChangedFile) as caught:
        encoder.expected(parameters.blocks(one), lambda: parameters.blocks(other), len(one), 4)
    assert "Repeat" in caught.value.hint


def test_a_store_that_fails_stops_the_stream() -> None:
    workers = Workers()
    encoder = Encoder(FullStore(), workers, nothing)
    blocks = (noise(BLOCK, seed) for seed in range(200))
    raised = in_time(lambda: encoder.streamed(blocks, 200 * BLOCK, 4))
    assert isinstance(raised, StoreError)
    assert next(blocks, None) is not None, "the rest of a large file is not read for nothing"
    assert in_time(workers.close) is None


@pytest.mark.parametrize("after", [0, 1, 3, 60])
def test_a_source_that_fails_stops_the_lane(after: int) -> None:
    """A lane that waits for the next block for ever would keep the process from ending."""
    workers, store = Workers(), MemoryStore()

    def dying() -> Iterator[bytes]:
        for seed in range(after):
            yield noise(BLOCK, seed)
        raise ChangedFile("it shrank")

    raised = in_time(lambda: Encoder(store, workers, nothing).streamed(dying(), 200 * BLOCK, 4))
    assert isinstance(raised, ChangedFile)
    assert in_time(workers.close) is None
    assert list(store.oids()) == []
