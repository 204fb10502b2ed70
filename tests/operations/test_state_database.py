"""What a clone remembers: lost, damaged, locked or forged, it costs work and nothing else."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_theta.manifest.model import Coding, Entry, Place, Storage, UpdateBase
from git_theta.manifest.storage_json import storage_to_json
from git_theta.operations.state_database import StateDatabase

A, B = "a" * 64, "b" * 64
STORAGE = Storage(Coding("dense", "planes"), Place(B, 1000, (10, 20)), {"later": 1})
ENTRY = Entry(A, 42, STORAGE)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], StateDatabase]]:
    """Opens the same state again and again."""
    states: list[StateDatabase] = []

    def open_state() -> StateDatabase:
        states.append(StateDatabase(tmp_path / "theta" / "state.sqlite"))
        return states[-1]

    yield open_state
    for state in states:
        state.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "theta" / "state.sqlite"


def test_a_storage_is_remembered(opened: Callable[[], StateDatabase]) -> None:
    opened().remember_storages([ENTRY])
    assert opened().storage_of(A) == STORAGE
    assert opened().storage_of(B) is None


def test_the_last_storage_counts(opened: Callable[[], StateDatabase]) -> None:
    state = opened()
    state.remember_storages([ENTRY])
    state.remember_storages([ENTRY._replace(storage=STORAGE._replace(place=Place(B, 1000)))])
    assert state.storage_of(A) == STORAGE._replace(place=Place(B, 1000))


def test_what_lies_in_objects_that_are_gone_is_forgotten(opened: Callable[[], StateDatabase], checkpoint: Path) -> None:
    c, d = "c" * 64, "d" * 64
    kept = Entry(c, 42, Storage(Coding("dense", "raw"), Place(d, 42)))
    state = opened()
    state.remember_storages([ENTRY, kept])
    state.remember_computed({"one": json.dumps({"oid": A}), "two": json.dumps({"oid": c})})
    state.remember_clean(checkpoint, checkpoint.stat(), time.time() + 60, b"names " + B.encode())
    state.forget_objects({B})
    assert (state.storage_of(A), state.storage_of(c)) == (None, kept.storage)
    assert (state.computed_of("one"), state.computed_of("two")) == (None, json.dumps({"oid": c}))
    assert state.manifest_of(checkpoint, checkpoint.stat()) is None


def test_what_lies_elsewhere_is_not_forgotten(opened: Callable[[], StateDatabase], checkpoint: Path) -> None:
    state = opened()
    state.remember_storages([ENTRY])
    state.remember_clean(checkpoint, checkpoint.stat(), time.time() + 60, b"names " + B.encode())
    state.forget_objects({"e" * 64})
    assert state.storage_of(A) == STORAGE
    assert state.manifest_of(checkpoint, checkpoint.stat()) == b"names " + B.encode()


def test_what_lies_on_a_base_that_is_gone_is_forgotten(opened: Callable[[], StateDatabase]) -> None:
    base = UpdateBase("c" * 64, 42, "U8", (42,), Coding("dense", "raw"), Place("d" * 64, 42))
    state = opened()
    state.remember_storages([Entry(A, 42, Storage(Coding("delta", "planes", chain=(base,)), Place(B, 10)))])
    state.forget_objects({"d" * 64})
    assert state.storage_of(A) is None


def test_results_are_listed_and_forgotten(opened: Callable[[], StateDatabase], file: Path) -> None:
    assert opened().computed_results() == []
    opened().forget_computed()
    opened().forget_objects({A})
    assert not file.exists()
    opened().remember_computed({"one": "1", "two": "2"})
    assert sorted(opened().computed_results()) == ["1", "2"]
    opened().forget_computed()
    assert opened().computed_results() == []


def test_nothing_is_written_where_there_is_nothing_to_remember(opened: Callable[[], StateDatabase], file: Path) -> None:
    opened().remember_storages([])
    assert not file.exists()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file that has rested for a minute."""
    checkpoint = tmp_path / "m\udcff.pt"
    checkpoint.write_bytes(b"values")
    return checkpoint


def test_a_clean_is_remembered_until_the_file_changes(opened: Callable[[], StateDatabase], checkpoint: Path) -> None:
    stat = checkpoint.stat()
    opened().remember_clean(checkpoint, stat, time.time() + 1, b"manifest")
    assert opened().manifest_of(checkpoint, stat) == b"manifest"
    checkpoint.write_bytes(b"VALUES")
    os.utime(checkpoint, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert opened().manifest_of(checkpoint, checkpoint.stat()) is None, "its mtime may be set back, its ctime may not"


def test_a_file_that_was_just_written_is_not_remembered(opened: Callable[[], StateDatabase], checkpoint: Path) -> None:
    """It may be written again within the same tick of the file system's clock."""
    stat = checkpoint.stat()
    opened().remember_clean(checkpoint, stat, max(stat.st_mtime, stat.st_ctime) + 0.05, b"manifest")
    assert opened().manifest_of(checkpoint, stat) is None


@pytest.mark.parametrize("content", [b"no database at all " * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_database_is_put_aside(opened: Callable[[], StateDatabase], file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    state = opened()
    assert state.storage_of(A) is None
    state.remember_storages([ENTRY])
    assert state.storage_of(A) == STORAGE
    (aside,) = file.parent.glob("state.damaged-*")
    assert aside.read_bytes() == content


def test_a_database_that_is_damaged_inside_is_as_good_as_empty(opened: Callable[[], StateDatabase], file: Path) -> None:
    state = opened()
    state.remember_storages([ENTRY._replace(oid=f"{number:064}") for number in range(1000)])
    state.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    again = opened()
    assert again.storage_of(f"{7:064}") is None
    again.remember_storages([ENTRY])


def test_a_place_that_cannot_be_written_is_as_good_as_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = StateDatabase(tmp_path / "file" / "state.sqlite")
    state.remember_storages([ENTRY])
    assert state.storage_of(A) is None
    state.close()


def test_a_locked_database_is_as_good_as_empty(
    opened: Callable[[], StateDatabase], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened()
    first.remember_storages([ENTRY])
    first.close()
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, **{**kwargs, "timeout": 0.1}))
    holder = sqlite3.connect(file)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    state = opened()
    assert state.storage_of(A) is None
    state.remember_storages([ENTRY])
    holder.close()
    assert file.exists()
    assert not list(file.parent.glob("*damaged*"))


FORGED = [
    "", "nonsense", "null", "5", '"text"', "[]", '["range"]', "{}", '{"range":[1]}', '{"object":"../../etc/passwd"}',
    json.dumps({**storage_to_json(STORAGE), "object": "../../etc/passwd"}),
    json.dumps({**storage_to_json(STORAGE), "range": [990, 20]}),
    json.dumps({**storage_to_json(STORAGE), "range": 5}),
    json.dumps({**storage_to_json(STORAGE), "bytes": -1}),
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", FORGED, ids=lambda text: text[:40])
def test_l10_a_row_that_is_no_storage_is_not_used(opened: Callable[[], StateDatabase], file: Path, text: str) -> None:
    opened().remember_storages([ENTRY])
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE identities SET storage = ?", (text,))
    connection.close()
    assert opened().storage_of(A) is None


def test_who_was_locked_out_once_does_not_wait_again(opened: Callable[[], StateDatabase], file: Path) -> None:
    first = opened()
    first.remember_storages([ENTRY])
    first.close()
    holder = sqlite3.connect(file)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    state, started = opened(), time.monotonic()
    for _ in range(10):
        assert state.storage_of(A) is None
        state.remember_storages([ENTRY])
    assert time.monotonic() - started < 5, "one wait, not twenty"
    holder.close()
    assert opened().storage_of(A) == STORAGE
