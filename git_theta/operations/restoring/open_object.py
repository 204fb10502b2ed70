"""An object that stays open for the parts that lie in it one after the other, as thousands do in a bundle."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import BinaryIO, cast

from git_theta.store.base import ObjectReader, Store

_BUFFER_SIZE = 64 << 10


class OpenObject(ObjectReader):
    """Reads as its store does, and keeps the last object open, with what was read ahead of it. For one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._oid = ""
        self._file: BufferedReader | None = None
        self._is_lent = False

    def get(self, oid: str) -> BinaryIO:
        """As ``ObjectReader`` says. Who has several open at a time, as of a part and its base, gets them anew."""
        if self._is_lent:
            return self._store.get(oid)
        if oid != self._oid or self._file is None:
            self.close()
            self._file, self._oid = BufferedReader(cast("RawIOBase", self._store.get(oid)), _BUFFER_SIZE), oid
        self._is_lent = True
        return cast("BinaryIO", _LentFile(self._file, self._take_back))

    def close(self) -> None:
        """Close the object that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_back(self) -> None:
        self._is_lent = False


class _LentFile:
    """What reading a payload needs of a file, which stays open when it is closed."""

    def __init__(self, file: BufferedReader, close: Callable[[], None]) -> None:
        self.seek = file.seek
        self.read = file.read
        self.close = close
