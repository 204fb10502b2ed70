"""Bytes that are kept as a series of objects, one after the other: hosts refuse objects that are large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from git_theta.store.base import Buffer, ObjectReader, Store, StoredObject

LARGEST_OBJECT = 1 << 30
"""Bytes of an object; more are several objects. GitHub refuses those above 2 GiB, and what is cut is sent again."""


def put_series(store: Store, chunks: Iterable[Buffer]) -> list[StoredObject]:
    """Store the concatenation of ``chunks``: each object but the last has LARGEST_OBJECT bytes, which most never reach.

    Raises as ``Store.put`` does. Objects that were whole by then stay, and nobody names them.
    """
    source = _Cutter(chunks)
    stored = [store.put(source.take(LARGEST_OBJECT))]
    while not source.is_empty():
        stored.append(store.put(source.take(LARGEST_OBJECT)))
    return stored


class SeriesReader:
    """Reads objects one after the other as if they were one file, each as far as its size; one is open at a time.

    Args:
        objects: id and size of each, in order.
        store: has them.
    """

    def __init__(self, objects: Iterable[tuple[str, int]], store: ObjectReader) -> None:
        self._objects = iter(objects)
        self._store = store
        self._file: BinaryIO | None = None
        self._left = 0

    def read(self, size: int) -> bytes:
        """Some of the next bytes, at most ``size``; none after the last, and where an object is shorter than it says.

        Raises MissingObject.
        """
        while not self._left:
            self.close()
            following = next(self._objects, None)
            if following is None:
                return b""
            self._file, self._left = self._store.get(following[0]), following[1]
        if self._file is None:
            return b""
        taken = self._file.read(min(size, self._left))
        self._left -= len(taken)
        return taken

    def close(self) -> None:
        """Close the object that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Cutter:
    """Chunks, cut where somebody wants to stop."""

    def __init__(self, chunks: Iterable[Buffer]) -> None:
        self._chunks = iter(chunks)
        self._next = memoryview(b"")

    def is_empty(self) -> bool:
        """Whether nothing is left."""
        while not self._next:
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._next = memoryview(chunk)
        return False

    def take(self, size: int) -> Iterator[Buffer]:
        """The next ``size`` bytes, or as many as there are."""
        while size and not self.is_empty():
            piece, self._next = self._next[:size], self._next[size:]
            size -= len(piece)
            yield piece
