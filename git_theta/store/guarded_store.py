"""A store of a plug-in, behind the door through which all plug-ins are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from git_theta.errors import PluginError
from git_theta.store.base import STORES, Buffer, Store, StoredObject


class GuardedStore(Store):
    """Whatever goes wrong in the store of that name is a PluginError that names its package; our own errors pass.

    Streams that it opens are read without a guard: verified by their readers, they can do no harm but end.
    """

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._store = store

    @classmethod
    def open_named(cls, name: str, root: Path) -> Self:
        """The store that is registered as ``name``, of the theta directory ``root``. Raises PluginError."""
        kind = STORES.load_plugin(name)
        with STORES.guard(name):
            return cls(name, kind.open(root))

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        failed: list[Exception] = []
        try:
            with STORES.guard(self.name):
                return self._store.put(_note_failure(chunks, failed))
        except PluginError:
            if failed:  # it is no fault of the store that its source has died
                raise failed[0] from None
            raise

    def get(self, oid: str) -> BinaryIO:
        with STORES.guard(self.name):
            return self._store.get(oid)

    def size(self, oid: str) -> int | None:
        with STORES.guard(self.name):
            return self._store.size(oid)

    def find(self, oid: str) -> Path | None:
        with STORES.guard(self.name):
            return self._store.find(oid)

    def sync(self) -> None:
        with STORES.guard(self.name):
            self._store.sync()

    def oids(self) -> Iterator[str]:
        return STORES.guard_iterator(self.name, self._store.oids())

    def delete(self, oid: str) -> None:
        with STORES.guard(self.name):
            self._store.delete(oid)

    def freshen(self, oid: str) -> bool:
        with STORES.guard(self.name):
            return self._store.freshen(oid)

    def stored_at(self, oid: str) -> float | None:
        with STORES.guard(self.name):
            return self._store.stored_at(oid)

    def delete_older(self, oid: str, moment: float) -> bool:
        with STORES.guard(self.name):
            return self._store.delete_older(oid, moment)

    def adopt(self, file: Path, oid: str) -> None:
        with STORES.guard(self.name):
            self._store.adopt(file, oid)

    def set_aside(self, oid: str) -> None:
        with STORES.guard(self.name):
            self._store.set_aside(oid)


def _note_failure(chunks: Iterable[Buffer], failed: list[Exception]) -> Iterator[Buffer]:
    """The chunks; what their source raises is noted, and raised."""
    try:
        yield from chunks
    except Exception as error:
        failed.append(error)
        raise
