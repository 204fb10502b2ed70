"""Objects as rows: ``sqlite/objects.db`` of the theta directory, and nothing beside it but SQLite's own log.

An object is a row, and chunks of 256 KiB: SQLite holds what it is given in memory, and takes no value over 1 GB. What
comes is written to a file without a name first, since how long it is and what it is called are known at its end alone;
then one transaction has all of it or nothing. So two processes write one after the other, for as long as a copy takes,
and a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

from git_theta.errors import MissingObject, StoreError
from git_theta.store.base import Buffer, Store, StoredObject, require_oid
from git_theta.store.leftovers import sweep_temporaries

from git_theta_sqlite.chunk_stream import CHUNK, ChunkStream
from git_theta_sqlite.database import ConnectionPool, create_database, report_errors

_HELD = 4 << 20
"""Bytes of an object up to which it waits in memory."""


class SqliteStore(Store):
    """Objects in one file. Thread-safe, and safe among processes of one machine."""

    name = "sqlite"
    api = 1

    def __init__(self, root: Path) -> None:
        self._root = root
        self.file = root / "sqlite" / "objects.db"
        self._pool = ConnectionPool(self.file)
        self._swept = False

    @classmethod
    def open(cls, root: Path) -> Self:
        return cls(root)

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        with self._report_full_disk():
            create_database(self.file, self._root)
        if not self._swept:
            self._swept = True
            sweep_temporaries(self.file.parent / "tmp")
        digest = hashlib.sha256()
        with tempfile.SpooledTemporaryFile(_HELD, dir=str(self.file.parent)) as waiting:
            for chunk in chunks:
                digest.update(chunk)
                with self._report_full_disk():
                    waiting.write(chunk)
            stored = StoredObject(digest.hexdigest(), waiting.tell())
            waiting.seek(0)
            with self._pool.write() as connection:
                if not _freshen(connection, stored.oid):
                    _insert(connection, stored, cast("BinaryIO", waiting))
        return stored

    def get(self, oid: str) -> BinaryIO:
        require_oid(oid)
        stream = self._open_stream(oid) if self.file.exists() else None
        if stream:
            return cast("BinaryIO", stream)
        raise MissingObject(
            f"object {oid} is missing", hint="Fetch it from where its commit came from: git theta checkout"
        )

    def size(self, oid: str) -> int | None:
        found = self._look_up(oid)
        return found[1] if found else None

    def sync(self) -> None:
        """Every commit was durable. That the file has its name is a matter of its folders."""
        with self._report_full_disk():
            for folder in list(self.file.parents)[:3] if self.file.exists() else ():
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def oids(self) -> Iterator[str]:
        if not self.file.exists():
            return iter(())
        with self._pool.read() as connection:
            return iter([oid for (oid,) in connection.execute("SELECT oid FROM objects").fetchall()])

    def delete(self, oid: str) -> None:
        self.delete_older(oid, float("inf"))

    def freshen(self, oid: str) -> bool:
        require_oid(oid)
        if not self.file.exists() or not all(os.access(place, os.W_OK) for place in (self.file, self.file.parent)):
            return False
        with self._pool.write() as connection:
            return _freshen(connection, oid)

    def stored_at(self, oid: str) -> float | None:
        found = self._look_up(oid)
        return found[2] if found else None

    def delete_older(self, oid: str, moment: float) -> bool:
        require_oid(oid)
        if not self.file.exists():
            return False
        with self._pool.write() as connection:
            found = _find(connection, oid)
            if not found or found[2] >= moment:
                return False
            connection.execute("DELETE FROM chunks WHERE object = ?", found[:1])
            connection.execute("DELETE FROM objects WHERE id = ?", found[:1])
        self._pool.give_space_back()
        return True

    def _look_up(self, oid: str) -> tuple[int, int, float] | None:
        require_oid(oid)
        if not self.file.exists():
            return None
        with self._pool.read() as connection:
            return _find(connection, oid)

    def _open_stream(self, oid: str) -> ChunkStream | None:
        """The object, in a view of the database that stays as it is; None where it is not here."""
        with contextlib.ExitStack() as unwound:
            connection = self._pool.take()
            unwound.callback(self._pool.give_back, connection)
            with report_errors(self.file):
                connection.execute("BEGIN")
                found = _find(connection, oid)
            if not found:
                return None
            unwound.pop_all()
            return ChunkStream(connection, self._pool.give_back, found[:2])

    @contextlib.contextmanager
    def _report_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.file.parent} cannot be written: {error.strerror}") from error


def _find(connection: sqlite3.Connection, oid: str) -> tuple[int, int, float] | None:
    """The number, size and time of an object."""
    found: tuple[int, int, float] | None = connection.execute(
        "SELECT id, size, stored FROM objects WHERE oid = ?", (oid,)
    ).fetchone()
    return found


def _freshen(connection: sqlite3.Connection, oid: str) -> bool:
    return connection.execute("UPDATE objects SET stored = ? WHERE oid = ?", (time.time(), oid)).rowcount > 0


def _insert(connection: sqlite3.Connection, stored: StoredObject, content: BinaryIO) -> None:
    number = connection.execute(
        "INSERT INTO objects (oid, size, stored) VALUES (?, ?, ?)", (*stored, time.time())
    ).lastrowid
    pieces = iter(lambda: content.read(CHUNK), b"")
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?)", ((number, at, data) for at, data in enumerate(pieces))
    )
