"""What a clone remembers to save work. Everything in it can be lost without losing anything.

``identities``: a part by its oid (by dtype and shape too, where its update needs them) -> its storage, as JSON. A part
that was ever stored or checked out here keeps its storage (L2), in whatever file it turns up again.
``starts``: oid of a large part -> SHA-256 of its first block. Tells early whether such a part changed.
``computed``: hash of a strategy, of all that it was told, and of its inputs -> the result, as JSON. A merge that is
repeated computes nothing twice.
``cleaned``: a file as the file system described it -> its manifest. Git asks for the same file more than once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from git_theta.errors import ManifestError
from git_theta.manifest.model import Entry, Storage, storage_key, storage_keys
from git_theta.manifest.storage_json import storage_from_json, storage_to_json
from git_theta.store.files import make_folder

if TYPE_CHECKING:  # 4 ms, which a file whose parts the index knows does not need
    import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identities (oid TEXT PRIMARY KEY, storage TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (oid TEXT PRIMARY KEY, start TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS starts_by_start ON starts (start);
CREATE TABLE IF NOT EXISTS computed (key TEXT PRIMARY KEY, result TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cleaned (path TEXT PRIMARY KEY, stat TEXT NOT NULL, manifest BLOB NOT NULL) WITHOUT ROWID;
"""
_VERSION = 2
_REMEMBER_STORAGE = """
INSERT INTO identities VALUES (?, ?)
ON CONFLICT (oid) DO UPDATE SET storage = excluded.storage WHERE storage <> excluded.storage
"""
_FIND_STORAGE = "SELECT storage FROM identities WHERE oid IN (?, ?) ORDER BY length(oid) DESC LIMIT 1"
_WAIT_SECONDS = 2
"""Seconds that somebody else may have the database locked; after that it is done without, for as long as we run."""
_ID = re.compile(rb"[0-9a-f]{64}")
_REST_SECONDS = 0.1
"""Seconds a file must have rested before its description stands for its bytes: file systems count time in ticks."""


class StateDatabase:
    """Opened when first used; a database that is damaged, locked or read-only is as good as an empty one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._locked = False

    def storage_of(self, oid: str, dtype: str = "", shape: tuple[int, ...] = ()) -> Storage | None:
        """How a part with these bytes, of that dtype and shape, was stored before, or None."""
        found = self._read(_FIND_STORAGE, *storage_keys(oid, dtype, shape))
        with contextlib.suppress(ManifestError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
            return storage_from_json(json.loads(found)) if found else None
        return None

    def remember_storages(self, entries: Iterable[Entry]) -> None:
        """Keep the storage of these parts."""
        self._write(_REMEMBER_STORAGE, map(_identity_row, entries))

    def computed_of(self, key: str) -> str | None:
        """What was remembered under the key of a computation, or None."""
        found = self._read("SELECT result FROM computed WHERE key = ?", key)
        return str(found) if found else None

    def remember_computed(self, results: Mapping[str, str]) -> None:
        """Keep these results by the keys of their computations."""
        self._write("INSERT OR REPLACE INTO computed VALUES (?, ?)", iter(results.items()))

    def computed_results(self) -> list[str]:
        """Everything that is remembered of computations."""
        with self._attempt():
            if self._file.exists():
                return [text for (text,) in self._open().execute("SELECT result FROM computed")]
        return []

    def forget_computed(self) -> None:
        """Forget all results of computations."""
        with self._attempt():
            if self._file.exists():
                with self._open() as connection:
                    connection.execute("DELETE FROM computed")

    def forget_objects(self, oids: Set[str]) -> None:
        """Forget what is said to be in these objects: parts, results that are such parts, manifests that name one.

        Where that cannot be, nobody is misled: what is remembered is believed only if its objects are there.
        """
        with self._attempt():
            if oids and self._file.exists():
                with self._open() as connection:
                    parts = _find_rows(connection, "SELECT oid, storage FROM identities", oids)
                    named = {key.partition(" ")[0] for key in parts}  # the oid, without dtype and shape
                    results = _find_rows(connection, "SELECT key, result FROM computed", named)
                    cleaned = _find_rows(connection, "SELECT path, manifest FROM cleaned", oids)
                    connection.executemany("DELETE FROM identities WHERE oid = ?", zip(parts, strict=True))
                    connection.executemany("DELETE FROM computed WHERE key = ?", zip(results, strict=True))
                    connection.executemany("DELETE FROM cleaned WHERE path = ?", zip(cleaned, strict=True))

    def start_of(self, oid: str) -> str | None:
        """SHA-256 of the first block of the large part ``oid``, or None."""
        found = self._read("SELECT start FROM starts WHERE oid = ?", oid)
        return str(found) if found else None

    def is_start(self, start: str) -> bool:
        """Whether a large part that we have seen starts so: the SHA-256 of its first block."""
        return self._read("SELECT oid FROM starts WHERE start = ? LIMIT 1", start) is not None

    def remember_start(self, oid: str, start: str) -> None:
        """Keep how a large part starts: the SHA-256 of its first block."""
        self._write("INSERT OR IGNORE INTO starts VALUES (?, ?)", [(oid, start)])

    def manifest_of(self, path: Path, stat: os.stat_result) -> bytes | None:
        """The manifest of the file at ``path``, if nothing about it has changed since it was cleaned."""
        return self._read(
            "SELECT manifest FROM cleaned WHERE path = ? AND stat = ?", _path_text(path), _describe_stat(stat)
        )

    def remember_clean(self, path: Path, stat: os.stat_result, started: float, manifest: bytes) -> None:
        """Keep the manifest of a file that was at rest when its reading ``started`` (seconds since the epoch)."""
        if started - max(stat.st_mtime, stat.st_ctime) > _REST_SECONDS:
            row = _path_text(path), _describe_stat(stat), manifest
            self._write("INSERT OR REPLACE INTO cleaned VALUES (?, ?, ?)", [row])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _read(self, query: str, *values: str) -> bytes | None:
        """The one value that it finds; None for none, and where the database cannot be used."""
        with self._attempt():
            row: tuple[bytes] | None = self._open().execute(query, values).fetchone()
            return row[0] if row else None
        return None

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run it for each row, all in one transaction; for none where the database cannot be used."""
        waiting = iter(rows)
        first = next(waiting, None)
        if first is None:  # nothing to write needs no database
            return
        with self._attempt(), self._open() as connection:
            connection.executemany(statement, chain([first], waiting))

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        """What fails in the block is as good as not tried. Who was locked out once does not wait again."""
        import sqlite3

        with self._lock, contextlib.suppress(sqlite3.Error, OSError):
            try:
                yield
            except sqlite3.OperationalError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what is our own has none
                self._locked = self._locked or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                raise

    def _open(self) -> sqlite3.Connection:
        if self._locked:
            import sqlite3

            raise sqlite3.OperationalError("locked, when it was last tried")
        if self._connection is None:
            make_folder(self._file.parent, self._file.parent)
            self._connection = _connect_or_replace(self._file, _connect)
        return self._connection


def _identity_row(entry: Entry) -> tuple[str, str]:
    key = storage_key(entry.oid, entry.dtype, entry.shape, entry.storage.coding)
    return key, json.dumps(storage_to_json(entry.storage))


def _connect(file: Path) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(file, timeout=_WAIT_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")
    if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_VERSION};")
    return connection


def _connect_or_replace(file: Path, connect: Callable[[Path], sqlite3.Connection]) -> sqlite3.Connection:
    import sqlite3

    try:
        return connect(file)
    except sqlite3.OperationalError:
        raise  # locked or read-only: not ours to remove
    except sqlite3.DatabaseError:
        file.rename(file.with_suffix(f".damaged-{time.time_ns()}"))
        return connect(file)


def _find_rows(connection: sqlite3.Connection, query: str, oids: Set[str]) -> list[str]:
    """The keys of the rows, of a key and a text each, whose text names one of these ids."""
    named = frozenset(oid.encode() for oid in oids)
    texts = ((key, text if isinstance(text, bytes) else text.encode()) for key, text in connection.execute(query))
    return [key for key, text in texts if not named.isdisjoint(_ID.findall(text))]


def _describe_stat(stat: os.stat_result) -> str:
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"


def _path_text(path: Path) -> str:
    return os.fsencode(path).hex()
