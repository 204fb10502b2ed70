"""An object is read once while its parts are decoded, and hashed whole."""

from __future__ import annotations

import hashlib
import io
from contextlib import closing
from typing import BinaryIO, cast

import pytest

from git_theta.operations.context import NOT_SHOWN
from git_theta.operations.keeping.hashed_object import HashedObject
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK

CONTENT = bytes(range(251)) * 9000  # 2.3 MB


class CountingStore(MemoryStore):
    """Counts the bytes that are read, and how often."""

    taken = readings = 0

    def get(self, oid: str) -> BinaryIO:
        store = self

        class File(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                data = super().read(size)
                store.taken += len(data)
                store.readings += 1
                return data

        return cast("BinaryIO", File(super().get(oid).read()))


Ranges = list[tuple[int, int]]
ORDERS: dict[str, Ranges] = {
    "none": [],
    "whole": [(0, len(CONTENT))],
    "pieces": [(0, 1000), (1000, BLOCK), (1000 + BLOCK, len(CONTENT) - 1000 - BLOCK)],
    "gaps": [(10, 1000), (BLOCK, 20), (2_000_000, 7)],
    "the start alone": [(0, 5)],
}


@pytest.mark.parametrize("ranges", ORDERS.values(), ids=ORDERS)
def test_parts_in_ascending_order_are_read_once(ranges: Ranges) -> None:
    store = CountingStore()
    assert read(store, ranges) == sum(size for _, size in ranges)
    assert store.taken == len(CONTENT)


@pytest.mark.parametrize("ranges", [[(BLOCK, 1000), (0, 1000)], [(0, 9), (3 * BLOCK, 9), (BLOCK - 3, 7), (3, 3)]])
def test_parts_in_another_order_are_read_again(ranges: Ranges) -> None:
    store = CountingStore()
    read(store, ranges)
    assert len(CONTENT) < store.taken <= len(CONTENT) + 2000


@pytest.mark.parametrize(
    "ranges", [[(0, 1000), (500, 1000)], [(900, 9), (900, 9), (3, 3)], [(BLOCK + 9, 9), (BLOCK, 9)]]
)
def test_parts_that_lie_near_each_other_are_read_once_in_any_order(ranges: Ranges) -> None:
    store = CountingStore()
    read(store, ranges)
    assert store.taken == len(CONTENT)


def test_thousands_of_parts_are_a_few_readings() -> None:
    store = CountingStore()
    read(store, [(at, 100) for at in range(0, len(CONTENT) - 100, 100)])
    assert store.readings <= len(CONTENT) // BLOCK + 2


def test_an_object_that_was_cut_off_ends_where_it_ends() -> None:
    store = CountingStore()
    oid = store.put([CONTENT]).oid
    with closing(HashedObject(oid, store, NOT_SHOWN)) as hashed, closing(hashed.get(oid)) as file:
        file.seek(len(CONTENT) - 5)
        assert file.read(BLOCK) == CONTENT[-5:]
        assert file.read(1) == b""
        file.seek(2 * len(CONTENT))
        assert file.read(1) == b""
        assert hashed.digest() == oid


def read(store: CountingStore, ranges: Ranges) -> int:
    """The bytes of these ranges are right, and so is the hash; how many bytes they have."""
    oid = store.put([CONTENT]).oid
    told: list[int] = []
    total = 0
    with closing(HashedObject(oid, store, told.append)) as hashed:
        for at, size in ranges:
            with closing(hashed.get(oid)) as file:
                file.seek(at)
                assert file.read(size) == CONTENT[at : at + size]
                total += size
        assert hashed.digest() == hashlib.sha256(CONTENT).hexdigest() == oid
    assert sum(told) == len(CONTENT)
    return total
