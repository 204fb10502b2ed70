"""A store in memory: for tests, and for trying a plug-in without a disk."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, Self

from git_theta.errors import MissingObject
from git_theta.store.base import Buffer, Store, StoredObject, require_oid


class MemoryStore(Store):
    """Objects in a dictionary, which lives as long as the process."""

    name = "memory"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._times: dict[str, float] = {}

    @classmethod
    @cache
    def open(cls, root: Path) -> Self:  # noqa: ARG003
        """Asked again for the same root, the same store: a process opens its repository more than once."""
        return cls()

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        content = b"".join(chunks)
        oid = hashlib.sha256(content).hexdigest()
        self._objects.setdefault(oid, content)
        self._times[oid] = time.time()
        return StoredObject(oid, len(content))

    def get(self, oid: str) -> BinaryIO:
        try:
            return io.BytesIO(self._objects[require_oid(oid)])
        except KeyError:
            raise MissingObject(f"object {oid} is missing") from None

    def size(self, oid: str) -> int | None:
        content = self._objects.get(require_oid(oid))
        return None if content is None else len(content)

    def sync(self) -> None:
        pass

    def freshen(self, oid: str) -> bool:
        if not self.has(oid):
            return False
        self._times[oid] = time.time()
        return True

    def stored_at(self, oid: str) -> float | None:
        return self._times.get(oid) if self.has(oid) else None

    def oids(self) -> Iterator[str]:
        return iter(tuple(self._objects))

    def delete(self, oid: str) -> None:
        self._objects.pop(require_oid(oid), None)
