"""A store and those it borrows from: the store of a clone that has alternates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from git_theta.errors import MissingObject
from git_theta.store.base import Buffer, Store, StoredObject


class StoreChain(Store):
    """Reads from the first store that has the object; writes to its own alone.

    Args:
        own: the store of this repository.
        lenders: other repositories' stores, in the order in which they are asked; never written.
        former: what this repository used before it chose ``own``; asked before the lenders, and no more written.
    """

    def __init__(self, own: Store, lenders: Sequence[Store], former: Sequence[Store] = ()) -> None:
        self.name = own.name
        self._own = own
        self._ours = (own, *former)
        self._lenders = lenders
        self._stores = (*self._ours, *lenders)

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        return self._own.put(chunks)

    def get(self, oid: str) -> BinaryIO:
        missing: MissingObject | None = None
        for store in self._stores:
            try:
                return store.get(oid)
            except MissingObject as error:
                missing = missing or error
        assert missing
        raise missing

    def size(self, oid: str) -> int | None:
        return next((size for store in self._stores if (size := store.size(oid)) is not None), None)

    def find(self, oid: str) -> Path | None:
        return next((file for store in self._stores if (file := store.find(oid))), None)

    def sync(self) -> None:
        self._own.sync()

    def oids(self) -> Iterator[str]:
        return self._own.oids()

    def delete(self, oid: str) -> None:
        self._own.delete(oid)

    def freshen(self, oid: str) -> bool:
        return any(store.freshen(oid) for store in self._ours) or any(store.has(oid) for store in self._lenders)

    def stored_at(self, oid: str) -> float | None:
        return self._own.stored_at(oid)

    def delete_older(self, oid: str, moment: float) -> bool:
        return self._own.delete_older(oid, moment)

    def adopt(self, file: Path, oid: str) -> None:
        self._own.adopt(file, oid)

    def set_aside(self, oid: str) -> None:
        self._own.set_aside(oid)
