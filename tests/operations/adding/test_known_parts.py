"""Which parts count as stored: the index is asked first, and believed only where its bytes are what it says."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

import pytest

from git_theta.manifest.model import Entry, Manifest, Place, Storage
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.context import Context
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.value_encoding import encode_values
from git_theta.store.memory import MemoryStore
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes

DATA = noise_bytes(1000)
LABEL = PartLabel("weight", "U8", (len(DATA),))
UNKNOWN = hashlib.sha256(b"never seen").hexdigest()


class ReadingStore(MemoryStore):
    """Counts how often an object is read."""

    reads = 0

    def get(self, oid: str) -> BinaryIO:
        self.reads += 1
        return super().get(oid)


@pytest.fixture
def store() -> ReadingStore:
    return ReadingStore()


@pytest.fixture
def context(context: Context, store: ReadingStore) -> Context:
    return context._replace(store=store)


def entry_stored(context: Context, serializer: str, data: bytes = DATA) -> Entry:
    """The part with this data, stored in this way."""
    values = MemoryValues(Spec(BY_NAME["U8"], (len(data),)), data)
    encoding = encode_values(values, map, Preferences(serializer=serializer))
    storage = Storage(encoding.coding, Place(*context.store.put(encoding.payload)))
    return Entry(hashlib.sha256(data).hexdigest(), len(data), storage, "weight", "U8", (len(data),))


def known_parts(context: Context, prior: Entry | None, *, assuming: bool = False) -> KnownParts:
    """What is known beside an index that has this part."""
    return KnownParts(context, Manifest("f", prior.size, (prior,)) if prior else None, assuming=assuming)


@pytest.fixture
def here(context: Context) -> Entry:
    return entry_stored(context, "raw")


@pytest.fixture
def forged(here: Entry, context: Context) -> Entry:
    """It names an object that is here and of the size it says, with other bytes."""
    other = context.store.put([noise_bytes(len(DATA), 2)])
    return here._replace(storage=here.storage._replace(place=Place(*other)))


@pytest.fixture
def gone(here: Entry) -> Entry:
    """It names an object that is not here."""
    return here._replace(storage=here.storage._replace(place=Place(UNKNOWN, len(DATA))))


def test_l2_what_the_index_says_wins_over_what_is_remembered(context: Context, here: Entry) -> None:
    elsewhere = entry_stored(context, "planes")
    assert elsewhere.storage != here.storage
    context.state.remember_storages([elsewhere])
    assert known_parts(context, None)(here.oid) == elsewhere.storage
    assert known_parts(context, here)(here.oid) == here.storage


def test_what_nobody_stored_is_not_known(context: Context, here: Entry) -> None:
    assert known_parts(context, here)(UNKNOWN) is None
    assert known_parts(context, None)(here.oid) is None


def test_the_index_is_believed_when_the_bytes_were_read_and_they_are_read_once(
    context: Context, store: ReadingStore, here: Entry
) -> None:
    assert [known_parts(context, here)(here.oid) for _ in range(3)] == [here.storage] * 3
    assert store.reads == 1


def test_a_forged_manifest_is_not_believed_and_read_once(
    context: Context, store: ReadingStore, here: Entry, forged: Entry
) -> None:
    known = known_parts(context, forged)
    assert [known(forged.oid) for _ in range(3)] == [None] * 3
    assert store.reads == 1
    context.state.remember_storages([here])
    assert known(forged.oid) == here.storage


def test_what_is_named_and_not_here_is_not_known(context: Context, here: Entry, gone: Entry) -> None:
    assert known_parts(context, gone)(gone.oid) is None
    context.state.remember_storages([gone])
    assert known_parts(context, gone)(gone.oid) is None
    assert known_parts(context, here)(gone.oid) == here.storage


def test_who_only_asks_is_told_of_a_storage_that_is_nowhere(context: Context, here: Entry) -> None:
    known = known_parts(context, here, assuming=True)
    assert known(here.oid) == here.storage
    assert not known.has_assumed
    assumed = known(UNKNOWN)
    assert assumed is not None and assumed.objects() == {UNKNOWN: 0}
    assert known.has_assumed


def test_what_the_index_has_is_never_assumed(context: Context, gone: Entry) -> None:
    known = known_parts(context, gone, assuming=True)
    assert known(gone.oid) is None
    assert not known.has_assumed


def test_a_large_part_is_likely_known_by_its_start_or_by_its_name(context: Context, here: Entry, gone: Entry) -> None:
    """By its name only where the start of what the index has is not known: else its start would have been told."""
    assert not known_parts(context, gone).is_likely(LABEL, "start")
    assert known_parts(context, here).is_likely(LABEL, "start")
    assert not known_parts(context, None).is_likely(LABEL, "start")
    assert not known_parts(context, here).is_likely(LABEL._replace(shape=(10, 100)), "start")
    assert not known_parts(context, here).is_likely(LABEL._replace(name="other"), "start")
    context.state.remember_start(here.oid, "start")
    assert known_parts(context, None).is_likely(LABEL, "start")
    assert not known_parts(context, here).is_likely(LABEL, "another start")
    assert known_parts(context, here, assuming=True).is_likely(LABEL, "another start")
