"""Several objects as one run of bytes: cut alike however the bytes come, and read as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.errors import CorruptObject, MissingObject
from git_theta.store import series
from git_theta.store.base import Buffer
from git_theta.store.memory import MemoryStore
from git_theta.store.series import SeriesReader, put_series

LIMIT = 10


@pytest.fixture(autouse=True, scope="module")
def low_limit() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "LARGEST_OBJECT", LIMIT)
        yield


def read(objects: list[tuple[str, int]], store: MemoryStore, size: int = 7) -> bytes:
    with closing(SeriesReader(objects, store)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


@given(st.lists(st.binary(max_size=25), max_size=6), st.integers(1, 30))
def test_l2_what_was_cut_is_read_as_one_and_cut_alike_however_it_came(chunks: list[bytes], size: int) -> None:
    store, content = MemoryStore(), b"".join(chunks)
    stored = put_series(store, chunks)
    assert [one.size for one in stored[:-1]] == [LIMIT] * (len(stored) - 1)
    assert (stored[-1].size > 0 or not content) and stored[-1].size <= LIMIT
    assert read([(one.oid, one.size) for one in stored], store, size) == content
    assert put_series(store, [content]) == stored
    assert put_series(store, (content[at : at + 1] for at in range(len(content)))) == stored


@pytest.mark.parametrize(("size", "sizes"), [(0, [0]), (9, [9]), (10, [10]), (11, [10, 1]), (30, [10] * 3)])
def test_only_what_is_larger_than_an_object_is_several(size: int, sizes: list[int]) -> None:
    assert [one.size for one in put_series(MemoryStore(), [bytearray(size)])] == sizes


def test_of_equal_objects_there_is_one() -> None:
    store = MemoryStore()
    stored = put_series(store, [bytes(25)])
    assert len(set(stored)) == len(list(store.oids())) == 2
    assert read([(one.oid, one.size) for one in stored], store) == bytes(25)


def test_what_fails_on_the_way_leaves_nothing_half() -> None:
    def chunks() -> Iterator[Buffer]:
        yield bytes(25)
        raise CorruptObject("the update base is rotten")

    store = MemoryStore()
    with pytest.raises(CorruptObject, match="rotten"):
        put_series(store, chunks())
    assert [store.size(oid) for oid in store.oids()] == [LIMIT]


def test_an_object_that_is_longer_is_read_as_far_as_it_should_be() -> None:
    store = MemoryStore()
    first, second = store.put([b"abcdef"]), store.put([b"xyz"])
    assert read([(first.oid, 3), (second.oid, second.size)], store, 100) == b"abcxyz"


def test_an_object_that_is_shorter_is_the_end() -> None:
    store = MemoryStore()
    first, second = store.put([b"abc"]), store.put([b"xyz"])
    assert read([(first.oid, 5), (second.oid, second.size)], store) == b"abc"


def test_an_object_that_is_not_here_is_missed_when_it_is_come_to() -> None:
    store = MemoryStore()
    first = store.put([b"abc"])
    with closing(SeriesReader([(first.oid, first.size), ("0" * 64, 3)], store)) as reader:
        assert reader.read(9) == b"abc"
        with pytest.raises(MissingObject):
            reader.read(9)
