"""The door of stores: it is a store, and names the one behind it that fails or answers with nonsense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import MissingObject, PluginError, StoreError
from git_theta.store.base import Store
from git_theta.store.guarded_store import GuardedStore, open_guarded
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore

OID = "0" * 64
CALLS: dict[str, Callable[[Store], object]] = {
    "put": lambda store: store.put([b"x"]),
    "get": lambda store: store.get(OID),
    "size": lambda store: store.size(OID),
    "sync": lambda store: store.sync(),
    "oids": lambda store: list(store.oids()),
    "delete": lambda store: store.delete(OID),
    "has": lambda store: store.has(OID),
    "find": lambda store: store.find(OID),
    "adopt": lambda store: store.adopt(Path("absent"), OID),
    "set_aside": lambda store: store.set_aside(OID),
}


def failing(*_: object) -> Any:
    raise KeyError("no such thing")


@pytest.mark.parametrize("method", CALLS)
def test_a_call_that_fails_names_the_store(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, method, failing)
    with pytest.raises(PluginError, match=r"the store 'memory' of git-theta \S+ failed: KeyError: 'no such thing'"):
        CALLS[method](GuardedStore("memory", MemoryStore()))


@pytest.mark.parametrize("method", ["put", "get", "size", "oids", "find"])
def test_an_answer_of_another_type_names_the_store(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, method, lambda *_: ["nonsense"])
    with pytest.raises(PluginError, match=r"the store 'memory' of git-theta \S+ .*nonsense"):
        CALLS[method](GuardedStore("memory", MemoryStore()))


def test_every_method_of_the_seam_is_behind_the_door() -> None:
    seam = {name for name, value in vars(Store).items() if callable(value) and not name.startswith("_")}
    assert seam == CALLS.keys()
    assert seam <= vars(GuardedStore).keys()


def test_what_a_store_says_and_what_the_system_refuses_pass(tmp_path: Path) -> None:
    store = open_guarded("local", tmp_path)
    with pytest.raises(MissingObject):
        store.get(OID)
    oid = store.put([b"x"]).oid
    assert (store.has(oid), store.size(oid), list(store.oids())) == (True, 1, [oid])
    assert store.find(oid) == LocalStore(tmp_path).find(oid)


def test_a_disk_that_cannot_be_written_is_no_defect_of_the_store() -> None:
    with pytest.raises(StoreError, match="cannot write"):
        open_guarded("local", Path("/dev/null/below")).put([b"x"])
