"""The database: how it is made, opened, and shared among the threads of a process.

Journal and settings (https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html): a write-ahead log, so that
readers wait for nobody; ``synchronous = FULL``, so that what is committed survives a power failure; and
``auto_vacuum = INCREMENTAL``, so that deleted objects give their space back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from git_theta.errors import StoreError
from git_theta.store.files import make_folder

_VERSION = 1
_PATIENCE = 600.0
"""Seconds to wait for another writer, who may be copying an object of 1 GiB."""
_PAGE = 16 << 10
_SCHEMA = f"""
PRAGMA page_size = {_PAGE};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA user_version = {_VERSION};
CREATE TABLE objects (id INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, stored REAL NOT NULL);
CREATE TABLE chunks (object INTEGER, number INTEGER, data BLOB NOT NULL, PRIMARY KEY (object, number));
"""


class ConnectionPool:
    """Connections to one file, each used by one thread at a time. Nothing is opened before it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def take(self) -> sqlite3.Connection:
        """A connection, for whoever gives it back. Raises StoreError where the file cannot be opened."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        with report_errors(self.file):
            return _open_database(self.file)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """End what is under way, and have the connection ready for others."""
        if connection.in_transaction:
            connection.rollback()
        with self._lock:
            self._idle.append(connection)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for a question or two. Raises StoreError for what SQLite says against it."""
        connection = self.take()
        try:
            with report_errors(self.file):
                yield connection
        finally:
            self.give_back(connection)

    def give_space_back(self) -> None:
        """Have the file end after what it holds. Raises StoreError."""
        with self.read() as connection:
            # Not by execute(), which asks once for the next row of what has none, and then one page is freed.
            connection.executescript("PRAGMA incremental_vacuum")

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction, which is committed unless the block raises. Raises StoreError."""
        with self.read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.commit()


@contextlib.contextmanager
def report_errors(file: Path) -> Iterator[None]:
    """Turns what SQLite raises into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        hint = "Free some space, or look at the file: sqlite3 FILE 'PRAGMA integrity_check'."
        raise StoreError(f"{file}: {error}", hint=hint) from error


def create_database(file: Path, root: Path) -> None:
    """Have the database there: made beside its place and linked into it, so that nobody meets half of one.

    Whoever may write into the folder may write to it, as SQLite's log has its mode. Raises OSError, StoreError.
    """
    if file.exists():
        return
    scratch = file.parent / "tmp" / f"{os.getpid()}-{os.urandom(8).hex()}"
    make_folder(scratch, root)
    made = scratch / file.name
    try:
        with report_errors(file), contextlib.closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.executescript(_SCHEMA)
        made.chmod(file.parent.stat().st_mode & 0o666)
        with contextlib.suppress(FileExistsError):
            os.link(made, file)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _open_database(file: Path) -> sqlite3.Connection:
    try:
        connection, version = _connect(file, "mode=rw")
    except sqlite3.OperationalError:
        # The log needs files beside the database. Where we may make none, and nobody has any, nothing changes it.
        if os.access(file.parent, os.W_OK) or file.with_name(f"{file.name}-wal").exists():
            raise
        connection, version = _connect(file, "mode=ro&immutable=1")
    if version != _VERSION:
        connection.close()
        raise StoreError(
            f"{file} has version {version} of its tables, and this release knows {_VERSION}",
            hint="Upgrade git-theta-sqlite.",
        )
    return connection


def _connect(file: Path, how: str) -> tuple[sqlite3.Connection, int]:
    """A connection, and the version of the tables: to ask for it is to read the file."""
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}", uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection, version


def _close_all(connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
