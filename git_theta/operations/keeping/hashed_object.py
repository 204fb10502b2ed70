"""An object that is hashed while its parts are decoded, so that it is read once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import BinaryIO, cast

from git_theta.store.base import ObjectReader
from git_theta.tensors.arrays import BLOCK


class HashedObject(ObjectReader):
    """A store to read from, one object of which is hashed on the way: each byte once, in order, when it is first read.

    What is read again, or out of order, is not hashed then; what was skipped is read for the hash alone. Not
    thread-safe: one reader at a time.

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
        self._hashed = 0

    def digest(self) -> str:
        """The hash of the whole object, in lower-case hex, after reading what nobody has read."""
        self._catch_up(None)
        return self._hash.hexdigest()

    def close(self) -> None:
        self._file.close()

    def get(self, oid: str) -> BinaryIO:
        if oid != self._oid:
            return self._store.get(oid)
        return cast("BinaryIO", _Reader(self._read_at))

    def _read_at(self, at: int, size: int) -> bytes:
        self._catch_up(at)
        self._file.seek(at)
        data = self._file.read(size)
        self._note(at, data)
        return data

    def _catch_up(self, to: int | None) -> None:
        """Hash what comes before ``to``, or before the end, and was not hashed yet."""
        self._file.seek(self._hashed)
        while to is None or self._hashed < to:
            data = self._file.read(BLOCK if to is None else min(BLOCK, to - self._hashed))
            if not data:
                return
            self._note(self._hashed, data)

    def _note(self, at: int, data: bytes) -> None:
        new = memoryview(data)[max(0, self._hashed - at) :]
        self._hash.update(new)
        self._hashed += len(new)
        self._progress(len(new))


class _Reader(io.RawIOBase):
    """A file that is read by ``read_at`` (offset, most bytes wanted)."""

    def __init__(self, read_at: Callable[[int, int], bytes]) -> None:
        self._read_at = read_at
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("nobody knows the end")
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._read_at(self._at, size)
        self._at += len(data)
        return data
