"""A store behind the guard: itself to whoever uses it, and named when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from git_theta.errors import PluginError
from git_theta.store.base import Store
from git_theta.store.guarded_store import GuardedStore
from git_theta.store.memory import MemoryStore
from git_theta.testing.stores import CONTENT, OID, StoreLaws


class TestGuardedStore(StoreLaws):
    def make_store(self, folder: Path) -> Store:
        return GuardedStore.open_named("memory", folder)

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, GuardedStore) and isinstance(store._store, MemoryStore)
        return dict(store._store._objects)


def fail(*_: Any) -> Any:
    raise ZeroDivisionError("in the plug-in")


def fail_later(*_: Any) -> Iterator[str]:
    yield OID
    fail()


@pytest.mark.parametrize("verb", [
        "put", "get", "size", "find", "sync", "oids", "delete", "adopt", "set_aside", "freshen", "stored_at",
        "delete_older", "open",
    ],
)  # fmt: skip
def test_a_store_that_fails_is_named(tmp_path: Path, verb: str) -> None:
    file = tmp_path / "a file"
    file.write_bytes(CONTENT)
    arguments: dict[str, list[Any]] = {
        "put": [[CONTENT]], "sync": [], "oids": [], "adopt": [file, OID], "delete_older": [OID, 0.0],
    }  # fmt: skip
    store = GuardedStore.open_named("memory", tmp_path)
    with (
        mock.patch.object(MemoryStore, verb, fail_later if verb == "oids" else fail),
        pytest.raises(PluginError, match=r"store 'memory' of git-theta .*ZeroDivisionError: in the plug-in"),
    ):
        if verb == "open":
            GuardedStore.open_named("memory", tmp_path)
        answer = getattr(store, verb)(*arguments.get(verb, [OID]))
        list(answer or ())
