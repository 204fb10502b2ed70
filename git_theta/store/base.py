"""The seam of a store: oid -> bytes.

Laws, which ``git_theta.testing`` checks for every store:

- Content-addressed: an oid is the SHA-256 of the object's bytes in lower-case hex; anything else is refused before it
  touches a path or a key.
- Write-once and idempotent: an object never changes; putting it again is no error and no write.
- Atomic: another process sees a whole object or none, whenever this one dies.
- Durable: what was put before ``sync`` returns survives a power failure after it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from git_theta.errors import StoreError
from git_theta.registry import Family, require_subclass

Buffer = bytes | bytearray | memoryview

_OID = re.compile(r"[0-9a-f]{64}\Z")


class StoredObject(NamedTuple):
    """What ``put`` answers: the object's id, and its size in bytes."""

    oid: str
    size: int


def is_oid(text: str) -> bool:
    """Whether ``text`` is 64 lower-case hex digits."""
    return _OID.match(text) is not None


def require_oid(oid: str) -> str:
    """``oid``, if it is one. Raises StoreError otherwise (L10)."""
    if not is_oid(oid):
        raise StoreError(f"not an object id: {oid!r}", hint="The manifest that names it was damaged or forged.")
    return oid


class ObjectReader(Protocol):
    """What reading values takes of a store."""

    def get(self, oid: str) -> BinaryIO:
        """The object, open for seeking and reading; the caller closes it. Raises MissingObject."""
        ...


class Store(ABC):
    """Immutable objects by id."""

    name: str

    @abstractmethod
    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        """Store the concatenation of ``chunks``, which may be a generator: it is never held whole.

        Raises StoreError when it cannot be written; nothing is left behind then.
        """

    @abstractmethod
    def get(self, oid: str) -> BinaryIO:
        """The object, open for seeking and reading; the caller closes it. Raises MissingObject."""

    @abstractmethod
    def size(self, oid: str) -> int | None:
        """The object's size in bytes, or None when it is not here."""

    @abstractmethod
    def sync(self) -> None:
        """Return once everything put so far is durable."""

    @abstractmethod
    def oids(self) -> Iterator[str]:
        """Every object of this store itself, in no particular order."""

    def has(self, oid: str) -> bool:
        """Whether ``get`` would find the object."""
        return self.size(oid) is not None


STORES = Family("stores", require_subclass(Store))
