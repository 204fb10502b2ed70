"""A store that somebody else might write: objects as rows of a database. It keeps no files."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

from git_theta.errors import MissingObject
from git_theta.store.base import Buffer, Store, StoredObject, require_oid


class SqliteStore(Store):
    """Objects below ``sqlite/`` of the theta directory."""

    name = "sqlite"

    def __init__(self, root: Path) -> None:
        self.file = root / "sqlite" / "objects.db"
        self._lock = threading.Lock()

    @classmethod
    def open(cls, root: Path) -> Self:
        return cls(root)

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        content = b"".join(chunks)
        oid = hashlib.sha256(content).hexdigest()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, sqlite3.connect(self.file, timeout=60) as database:
            database.execute("CREATE TABLE IF NOT EXISTS objects (oid TEXT PRIMARY KEY, content BLOB)")
            database.execute("INSERT OR IGNORE INTO objects VALUES (?, ?)", (oid, content))
        return StoredObject(oid, len(content))

    def get(self, oid: str) -> BinaryIO:
        for (content,) in self._ask("SELECT content FROM objects WHERE oid = ?", require_oid(oid)):
            return io.BytesIO(content)
        raise MissingObject(f"object {oid} is missing")

    def size(self, oid: str) -> int | None:
        return next(
            (size for (size,) in self._ask("SELECT length(content) FROM objects WHERE oid = ?", require_oid(oid))), None
        )

    def sync(self) -> None:
        pass

    def oids(self) -> Iterator[str]:
        return (oid for (oid,) in self._ask("SELECT oid FROM objects"))

    def delete(self, oid: str) -> None:
        self._ask("DELETE FROM objects WHERE oid = ?", require_oid(oid))

    def _ask(self, question: str, *values: str) -> list[tuple[Any]]:
        if not self.file.exists():
            return []
        with self._lock, sqlite3.connect(self.file, timeout=60) as database:
            return list(database.execute(question, values))
