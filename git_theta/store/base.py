"""The seam of a store: oid -> bytes.

Laws, which ``git_theta.testing`` checks for every store:

- Content-addressed: an oid is the SHA-256 of the object's bytes in lower-case hex; anything else is refused before it
  touches a path or a key.
- Write-once and idempotent: an object never changes; putting it again is no error and no write.
- Atomic: another process sees a whole object or none, whenever this one dies.
- Durable: what was put before ``sync`` returns survives a power failure after it.
- Seekable: what ``get`` opens is read from any place on; a range costs no more than its bytes.
- Of known age, where it can be collected: what is put, there or not, or freshened, counts as new, and ``delete_older``
  takes nothing that anybody has freshened.

The store of a repository is the one that ``theta.store`` of Git's configuration names among what is installed. It is
opened again by every process, and lives below the repository's theta directory.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self

from git_theta.errors import CorruptObject, MissingObject, StoreError, TransportError
from git_theta.registry import Family, require_subclass

Buffer = bytes | bytearray | memoryview

_OID = re.compile(r"[0-9a-f]{64}\Z")
_READ_SIZE = 1 << 20


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
    """Immutable objects by id.

    Attributes:
        name: what Git's configuration calls it.
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
    """

    name: str
    api: int = 1

    @classmethod
    def open(cls, root: Path) -> Self:
        """The store of the repository whose theta directory is ``root``, which need not exist yet.

        Below it, a store takes a folder or file of its own name, and leaves the rest alone. To open writes nothing.
        What is made of other stores, and is no plug-in, has none of its own.
        """
        raise NotImplementedError(f"{cls.__name__} is made of other stores")

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

    @abstractmethod
    def delete(self, oid: str) -> None:
        """Take the object out; one that is not here is no error. Whoever has it open reads on."""

    def freshen(self, oid: str) -> bool:
        """Have the object count as put just now, for whoever is about to name it; whether it is here, and does.

        Not where we may not touch it: it can be put again then. There is nothing to do for a store that tells no ages.
        """
        return self.has(oid)

    def stored_at(self, oid: str) -> float | None:
        """When the object was last put or freshened, in seconds since the epoch; None where it is not here.

        Raises StoreError for a store that does not tell, as this one: nothing of it can be collected.
        """
        require_oid(oid)
        raise StoreError(
            f"the store {self.name} does not tell how old its objects are",
            hint="What nothing needs can be told from what is about to be needed by its age alone.",
        )

    def delete_older(self, oid: str, moment: float) -> bool:
        """Delete the object if it was put and freshened before ``moment`` (seconds since the epoch); whether it was.

        Raises as :meth:`stored_at`.
        """
        stored = self.stored_at(oid)
        if stored is None or stored >= moment:
            return False
        self.delete(oid)
        return True

    def has(self, oid: str) -> bool:
        """Whether ``get`` would find the object."""
        return self.size(oid) is not None

    def find(self, oid: str) -> Path | None:
        """A file that holds the object's bytes and nothing else, which others may link and must not write.

        None where the object is not here, and for a store that keeps no such files, as this one does.
        """
        require_oid(oid)
        return None

    def adopt(self, file: Path, oid: str) -> None:
        """Take over ``file``, which somebody else calls ``oid``; the file stays as it is.

        Raises CorruptObject when it is not that object, TransportError when it cannot be read; nothing is kept then.
        """
        require_oid(oid)
        with open_foreign(file, oid) as stream:
            self.put(verify_chunks(read_chunks(stream, oid), oid, file))

    def set_aside(self, oid: str) -> None:
        """Where something stands in the object's place that is not the object, make room for it."""
        if self.size(oid) is not None and not is_intact(self, oid):
            self.delete(oid)


STORES = Family("stores", require_subclass(Store, "open"))


def select_missing(objects: Mapping[str, int], store: Store) -> dict[str, int]:
    """Those of some objects, oid to size, that a store does not have, or not with their size."""
    return {oid: size for oid, size in objects.items() if store.size(oid) != size}


def is_intact(store: ObjectReader, oid: str) -> bool:
    """Whether what a store has as ``oid`` is that object: all of it is read. Not where it has none."""
    try:
        with closing(store.get(oid)) as stream:
            for _ in verify_chunks(read_chunks(stream, oid), oid):
                pass
    except (CorruptObject, MissingObject, TransportError):
        return False
    return True


def copy_object(oid: str, source: Store, target: Store) -> None:
    """Put an object of one store into another, by link where both have files and can.

    Raises MissingObject where the source has none, CorruptObject where it is not that object, TransportError where it
    cannot be read; the target keeps nothing then.
    """
    file = source.find(oid)
    if file is not None:
        target.adopt(file, oid)
        return
    with closing(source.get(oid)) as stream:
        target.put(verify_chunks(read_chunks(stream, oid), oid))


def open_foreign(file: Path, oid: str) -> BinaryIO:
    """Open somebody else's file for an object. Raises TransportError where it cannot be opened."""
    try:
        return file.open("rb")
    except OSError as error:
        raise TransportError(f"object {oid} cannot be read in {file}: {error.strerror}") from error


def read_chunks(stream: BinaryIO, oid: str) -> Iterator[bytes]:
    """The bytes of an object from where its stream stands. Raises TransportError where they cannot be read."""
    try:
        while chunk := stream.read(_READ_SIZE):
            yield chunk
    except OSError as error:
        raise TransportError(f"object {oid} cannot be read: {error.strerror}") from error


def verify_chunks(chunks: Iterable[Buffer], oid: str, file: Path | None = None) -> Iterator[Buffer]:
    """The same chunks. After the last one, CorruptObject is raised if they are not the object ``oid``.

    ``file``: where they come from, for the error.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != oid:
        where = f" in {file}" if file else ""
        raise CorruptObject(f"object {oid} is damaged{where}", hint="Repair it there: git theta fsck")
