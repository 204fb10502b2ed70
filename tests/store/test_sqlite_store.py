"""A store of another kind runs the kit: what the laws ask for can be kept without files."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from git_theta.store.base import Store
from git_theta.testing.stores import DurableStoreLaws
from tests.store.sqlite_store import SqliteStore


class TestSqliteStore(DurableStoreLaws):
    def make_store(self, folder: Path) -> Store:
        return SqliteStore.open(folder / "theta")

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, SqliteStore)
        if not store.file.exists():
            return {}
        return dict(sqlite3.connect(store.file).execute("SELECT oid, content FROM objects").fetchall())
