"""The store runs Git-Theta's conformance kit, and what the kit cannot ask: processes that die, or write at once."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from git_theta.errors import MissingObject, StoreError
from git_theta.store.base import STORES, Store, is_intact
from git_theta.testing.stores import DurableStoreLaws

from git_theta_sqlite.chunk_stream import CHUNK
from git_theta_sqlite.sqlite_store import SqliteStore

EVERYTHING = "SELECT oid, data FROM objects LEFT JOIN chunks ON chunks.object = objects.id ORDER BY oid, number"
WRITER = """
import random, sys
from pathlib import Path
from git_theta_sqlite.sqlite_store import SqliteStore
store, numbers = SqliteStore.open(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    oid = store.put([numbers.randbytes(numbers.randrange(3_000_000))]).oid
    store.sync()
    print(oid, flush=True)
"""


class TestSqliteStore(DurableStoreLaws):
    def make_store(self, folder: Path) -> Store:
        return SqliteStore.open(folder / "theta")

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, SqliteStore)
        names = {path.name for path in store.file.parent.glob("*")}
        assert names <= {"objects.db", "objects.db-wal", "objects.db-shm", "tmp"}, "leftovers"
        assert not list(store.file.parent.glob("tmp/*")), "leftovers"
        found: dict[str, bytes] = {}
        if store.file.exists():
            with closing(sqlite3.connect(store.file)) as connection:
                for oid, data in connection.execute(EVERYTHING):
                    found[oid] = found.get(oid, b"") + (data or b"")
        return found


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore.open(tmp_path / "theta")


def test_it_is_installed_under_its_name() -> None:
    assert STORES.load_plugin("sqlite") is SqliteStore


def test_a_database_of_the_first_release_is_read_for_ever(store: SqliteStore) -> None:
    """Made here as the README describes it, not by the store."""
    content = random.Random(9).randbytes(600_000)
    oid = hashlib.sha256(content).hexdigest()
    store.file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(store.file, isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA user_version = 1;"
            "CREATE TABLE objects (id INTEGER PRIMARY KEY, oid TEXT, size INTEGER, stored REAL);"
            "CREATE TABLE chunks (object INTEGER, number INTEGER, data BLOB, PRIMARY KEY (object, number));"
        )
        connection.execute("INSERT INTO objects VALUES (7, ?, ?, 1234.5)", (oid, len(content)))
        for number in range(3):
            part = content[number * 262_144 : (number + 1) * 262_144]
            connection.execute("INSERT INTO chunks VALUES (7, ?, ?)", (number, part))
    with store.get(oid) as stream:
        assert stream.read() == content
    assert (store.stored_at(oid), store.size(oid)) == (1234.5, 600_000)
    assert store.delete_older(oid, 1235)


def test_to_open_and_to_ask_writes_nothing(store: SqliteStore) -> None:
    assert list(store.oids()) == []
    assert not store.freshen("0" * 64)
    store.delete("0" * 64)
    assert not store.file.parent.exists()


def test_objects_are_read_from_any_place_across_chunks(store: SqliteStore) -> None:
    content = random.Random(1).randbytes(2 * CHUNK + 77)
    oid = store.put([content]).oid
    with store.get(oid) as stream:
        for at in (CHUNK - 3, 0, 2 * CHUNK + 70, CHUNK, 1 << 40):
            stream.seek(at)
            assert stream.tell() == at
            found = stream.read(7)  # at most what is left of a chunk
            assert bool(found) is (at < len(content))
            assert content[at : at + 7].startswith(found)
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == content[-5:]


def test_an_object_is_neither_held_when_it_is_put_nor_when_it_is_read(store: SqliteStore) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (bytes([number]) * (1 << 20) for number in range(64))

    tracemalloc.start()
    try:
        oid = store.put(pieces()).oid
        with store.get(oid) as stream:
            digest = hashlib.sha256()
            while data := stream.read(1 << 20):
                digest.update(data)
        assert digest.hexdigest() == oid
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_whoever_has_a_deleted_object_open_reads_on(store: SqliteStore) -> None:
    content = random.Random(2).randbytes(5 * CHUNK)
    oid = store.put([content]).oid
    with store.get(oid) as stream:
        assert stream.read(10) == content[:10]
        store.delete(oid)
        with pytest.raises(MissingObject):
            store.get(oid)
        assert stream.read() == content[10:]


def test_what_is_deleted_gives_its_space_back(store: SqliteStore) -> None:
    kept = store.put([b"kept"]).oid
    oids = [store.put([random.Random(seed).randbytes(1 << 20)]).oid for seed in range(8)]
    for oid in oids:
        store.delete(oid)
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert store.file.stat().st_size < 1 << 20
    assert list(store.oids()) == [kept]


def test_what_rots_is_set_aside_and_can_be_put_again(store: SqliteStore) -> None:
    oid = store.put([b"an object's bytes"]).oid
    with closing(sqlite3.connect(store.file, isolation_level=None)) as connection:
        connection.execute("UPDATE chunks SET data = zeroblob(length(data))")
    assert not is_intact(store, oid)
    store.set_aside(oid)
    assert not store.has(oid)
    assert store.put([b"an object's bytes"]).oid == oid
    assert is_intact(store, oid)


def test_a_file_that_is_no_database_is_named(store: SqliteStore) -> None:
    store.file.parent.mkdir(parents=True)
    store.file.write_bytes(b"x" * 100_000)
    with pytest.raises(StoreError, match=r"objects\.db: file is not a database"):
        store.size("0" * 64)


def test_tables_of_a_newer_release_are_left_alone(store: SqliteStore) -> None:
    store.put([b"x"])
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="version 2 of its tables"):
        SqliteStore.open(store.file.parents[1]).size("0" * 64)


def test_a_folder_that_may_only_be_read_is_read() -> None:
    """By somebody else: whoever runs the tests may be root, who may write anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        store = SqliteStore.open(Path(folder) / "theta")
        oid = store.put([b"borrowed"]).oid
        del store
        place = Path(folder) / "theta" / "sqlite"
        assert {path.name for path in place.iterdir()} == {"objects.db", "tmp"}
        place.chmod(0o555)
        child = os.fork()
        if child == 0:
            failed = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                borrowed = SqliteStore.open(Path(folder) / "theta")
                with borrowed.get(oid) as stream:
                    failed = int(stream.read() != b"borrowed" or borrowed.freshen(oid))
            finally:
                os._exit(failed)
        assert os.waitpid(child, 0)[1] == 0
        place.chmod(0o755)


def start_writer(root: Path, seed: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(root), str(seed), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    """Also the first of all objects, with which the database is made; and some objects are the same."""
    writers = [start_writer(tmp_path, seed, 12) for seed in (1, 2, 3, 3)]
    printed = [writer.communicate(timeout=300)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    store = SqliteStore.open(tmp_path)
    assert set(store.oids()) == {oid for oids in printed for oid in oids}
    assert len(set(store.oids())) == 36
    assert all(is_intact(store, oid) for oid in store.oids())


def test_a_writer_that_is_killed_leaves_whole_objects_and_nothing_else(tmp_path: Path) -> None:
    """At a random moment; what it said to have stored is there."""
    wait = random.Random(time.time_ns())
    for seed in range(8):
        writer = start_writer(tmp_path, seed, 1000)
        assert writer.stdout
        told = [writer.stdout.readline().strip()]
        time.sleep(wait.uniform(0, 0.3))
        writer.kill()
        told += writer.stdout.read().split("\n")[:-1]
        writer.wait()
        writer.stdout.close()
        store = SqliteStore.open(tmp_path)
        assert set(told) <= set(store.oids())
        assert all(is_intact(store, oid) for oid in told)
        assert store.put([b"after"]).size == 5
    assert all(is_intact(store, oid) for oid in store.oids())
    names = {path.name for path in store.file.parent.iterdir()}
    assert names <= {"objects.db", "objects.db-wal", "objects.db-shm", "tmp"}


def test_what_was_left_while_the_database_was_made_is_swept(store: SqliteStore) -> None:
    """Of a process that was killed, once nobody can be using it any more."""
    left, young = (store.file.parent / "tmp" / f"{2**22 + number}-abc" for number in range(2))
    for folder in (left, young):
        folder.mkdir(parents=True)
        (folder / "objects.db").touch()
    os.utime(left, (0, 0))
    store.put([b"x"])
    assert [path.name for path in store.file.parent.glob("tmp/*")] == [young.name]
