"""An object that is hashed while its parts are decoded, so that it is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO, cast

from git_theta.store.base import ObjectReader
from git_theta.tensors.arrays import BLOCK


class HashedObject(ObjectReader):
    """A store to read from, one object of which is hashed on the way: read once, from its start to its end, in blocks.

    Thousands of small parts lie in one block: they are taken from memory. What lies before the block is read again, and
    not hashed again; what was skipped is read for the hash alone. Not thread-safe: one reader at a time.

    Args:
        oid: the object that is hashed. Others are only passed on.
        store: has them.
        progress: told of every byte that is hashed.
    """

    def __init__(self, oid: str, store: ObjectReader, progress: Callable[[int], None]) -> None:
        self._oid = oid
        self._store = store
        self._progress = progress
        self._file = store.get(oid)
        self._hash = hashlib.sha256()
        self._block = b""
        self._start = 0
        self._end = 0

    def digest(self) -> str:
        """The hash of the whole object, in lower-case hex, after reading what nobody has read."""
        while self._read_block(BLOCK):
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        self._file.close()

    def get(self, oid: str) -> BinaryIO:
        return cast("BinaryIO", _Reader(self.read_at)) if oid == self._oid else self._store.get(oid)

    def read_at(self, at: int, size: int) -> bytes:
        """The bytes there; fewer than ``size`` where the object ends before."""
        data = self._read_within_block(at, size)
        while len(data) < size and (more := self._read_within_block(at + len(data), size - len(data))):
            data += more
        return data

    def _read_within_block(self, at: int, size: int) -> bytes:
        """The bytes there, up to the end of the block that they are in; none after the end of the object."""
        while at >= self._end:
            if not self._read_block(max(BLOCK, size) if at == self._end else BLOCK):
                return b""
        if at < self._start:
            self._file.seek(at)
            return self._file.read(size)
        first = at - self._start
        return self._block[first : first + size]

    def _read_block(self, size: int) -> bool:
        """Go on to the next block, of ``size`` bytes unless the object ends before; whether there is one."""
        self._file.seek(self._end)
        self._block, self._start = self._file.read(size), self._end
        self._end += len(self._block)
        self._hash.update(self._block)
        self._progress(len(self._block))
        return bool(self._block)


class _Reader:
    """What reading a payload needs of a file, by ``read_at`` (offset, most bytes wanted)."""

    __slots__ = ("_at", "_read_at")

    def __init__(self, read_at: Callable[[int, int], bytes]) -> None:
        self._read_at = read_at
        self._at = 0

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, size: int) -> bytes:
        data = self._read_at(self._at, size)
        self._at += len(data)
        return data

    def close(self) -> None:
        """The object stays open."""
