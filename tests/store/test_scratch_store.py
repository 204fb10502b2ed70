"""A store in a folder beside another: it reads both, and writes to its own alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from git_theta.store.base import Store
from git_theta.store.local import LocalStore
from git_theta.store.memory import MemoryStore
from git_theta.store.scratch_store import ScratchStore
from git_theta.testing.stores import CONTENT, OID, DurableStoreLaws


class TestScratchStore(DurableStoreLaws):
    """Beside a lender that has nothing."""

    def make_store(self, folder: Path) -> Store:
        return ScratchStore(folder / "scratch", MemoryStore())

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, ScratchStore)
        root = LocalStore(store.folder).root
        return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_lent_is_read_and_never_written(tmp_path: Path) -> None:
    lender = MemoryStore()
    oid = lender.put([b"lent"]).oid
    store = ScratchStore(tmp_path, lender)
    store.put([CONTENT])
    assert (store.has(oid), store.has(OID)) == (True, True)
    assert list(lender.oids()) == [oid]
