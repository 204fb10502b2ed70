"""Objects that parts are read from one after the other are opened once; what is being read is opened anew."""

from __future__ import annotations

from typing import BinaryIO

from git_theta.operations.restoring.open_objects import OpenObjects
from git_theta.store.memory import MemoryStore


class _NotedStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    def get(self, oid: str) -> BinaryIO:
        self.opened.append(oid)
        return super().get(oid)


def test_each_is_opened_once_for_readings_in_turn() -> None:
    store = _NotedStore()
    one, other = store.put([b"0123456789"]).oid, store.put([b"abc"]).oid
    reader = OpenObjects(store)
    for oid, start, expected in ((one, 8, b"89"), (one, 0, b"01"), (other, 1, b"bc"), (one, 4, b"45")):
        file = reader.get(oid)
        file.seek(start)
        assert file.read(2) == expected
        file.close()
    reader.close()
    assert store.opened == [one, other]


def test_one_that_was_read_before_is_read_from_its_start() -> None:
    store = _NotedStore()
    oid = store.put([b"0123456789"]).oid
    reader = OpenObjects(store)
    for _ in range(2):
        file = reader.get(oid)
        assert (file.read(4), file.read(9)) == (b"0123", b"456789")
        file.close()
    reader.close()
    assert store.opened == [oid]


def test_no_more_than_a_few_stay_open() -> None:
    store = _NotedStore()
    oids = [store.put([b"%d" % number]).oid for number in range(9)]
    reader = OpenObjects(store)
    for oid in (*oids, oids[8], oids[1], oids[0]):
        reader.get(oid).close()
    reader.close()
    assert store.opened == [*oids, oids[0]]


def test_two_readings_at_a_time_do_not_move_each_other() -> None:
    store = _NotedStore()
    oid = store.put([b"0123456789"]).oid
    reader = OpenObjects(store)
    part, base = reader.get(oid), reader.get(oid)
    part.seek(3)
    base.seek(7)
    assert (part.read(2), base.read(2)) == (b"34", b"78")
    base.close()
    assert part.read(1) == b"5"
    part.close()
    reader.close()
