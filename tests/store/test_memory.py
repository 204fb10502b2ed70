"""The memory store runs the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from git_theta.store.base import Store
from git_theta.store.memory import MemoryStore
from git_theta.testing.stores import StoreLaws


class TestMemoryStore(StoreLaws):
    _opened: dict[Path, MemoryStore]

    def setup_method(self) -> None:
        self._opened = {}

    def make_store(self, folder: Path) -> Store:
        return self._opened.setdefault(folder, MemoryStore())

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, MemoryStore)
        return dict(store._objects)
