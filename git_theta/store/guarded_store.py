"""The one door to a store, ours or a plug-in's: every call of the seam is guarded, every answer is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from git_theta.store.base import STORES, Buffer, Store, StoredObject, is_oid


def open_guarded(name: str, root: Path) -> Store:
    """The store of that name in a theta directory. Raises PluginError where none is installed, or it does not open."""
    kind = STORES.load_plugin(name)
    with STORES.guard(name):
        opened = kind.open(root)
    if not isinstance(opened, Store):
        raise STORES.reject_answer(name, f"opened something that is no store: {opened!r:.200}")
    return GuardedStore(name, opened)


class GuardedStore(Store):
    """A store whose calls raise our own errors and what the operating system refuses to us, and nothing else.

    What is read from an object is not looked at here: it is hashed wherever it is read (L5).
    """

    def __init__(self, name: str, behind: Store) -> None:
        self.name = name
        self._behind = behind

    @classmethod
    def open(cls, root: Path) -> Self:
        raise NotImplementedError("a store is opened before it is guarded")

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        with STORES.guard(self.name):
            stored = self._behind.put(chunks)
        if not isinstance(stored, StoredObject) or not is_oid(stored.oid) or type(stored.size) is not int:
            raise STORES.reject_answer(self.name, f"put something and answered with no object: {stored!r:.200}")
        return stored

    def get(self, oid: str) -> BinaryIO:
        with STORES.guard(self.name):
            found = self._behind.get(oid)
        if not hasattr(found, "read") or not hasattr(found, "seek"):
            raise STORES.reject_answer(self.name, f"got something that is no open file: {found!r:.200}")
        return found

    def size(self, oid: str) -> int | None:
        with STORES.guard(self.name):
            found = self._behind.size(oid)
        if found is not None and type(found) is not int:
            raise STORES.reject_answer(self.name, f"gave a size that is no integer: {found!r:.200}")
        return found

    def sync(self) -> None:
        with STORES.guard(self.name):
            self._behind.sync()

    def oids(self) -> Iterator[str]:
        with STORES.guard(self.name):
            found = self._behind.oids()
        for oid in STORES.guard_iterator(self.name, found):
            if not isinstance(oid, str) or not is_oid(oid):
                raise STORES.reject_answer(self.name, f"listed something that is no object id: {oid!r:.200}")
            yield oid

    def delete(self, oid: str) -> None:
        with STORES.guard(self.name):
            self._behind.delete(oid)

    def has(self, oid: str) -> bool:
        with STORES.guard(self.name):
            return bool(self._behind.has(oid))

    def find(self, oid: str) -> Path | None:
        with STORES.guard(self.name):
            found = self._behind.find(oid)
        if found is not None and not isinstance(found, Path):
            raise STORES.reject_answer(self.name, f"found a file that is no path: {found!r:.200}")
        return found

    def adopt(self, file: Path, oid: str) -> None:
        with STORES.guard(self.name):
            self._behind.adopt(file, oid)

    def set_aside(self, oid: str) -> None:
        with STORES.guard(self.name):
            self._behind.set_aside(oid)
