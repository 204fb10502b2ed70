"""Objects that stay open for the parts that lie in them one after the other, as thousands do in a bundle.

Several of them: where every other parameter was trained, a file's parts lie in the bundles of two versions in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import BinaryIO, cast

from git_theta.store.base import ObjectReader, Store

_BUFFER_SIZE = 64 << 10
_MOST_OPEN = 8


class OpenObjects(ObjectReader):
    """Reads as its store does, and keeps the last few objects open, with what was read ahead. For one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, BufferedReader] = {}
        """The one that was used last is the last."""
        self._is_lent = False

    def get(self, oid: str) -> BinaryIO:
        """As ``ObjectReader`` says. Who has several open at a time, as of a part and its base, gets them anew."""
        if self._is_lent:
            return self._store.get(oid)
        file = self._files.pop(oid, None)
        if file is None:
            if len(self._files) == _MOST_OPEN:
                self._files.pop(next(iter(self._files))).close()
            file = BufferedReader(cast("RawIOBase", self._store.get(oid)), _BUFFER_SIZE)
        self._files[oid] = file
        self._is_lent = True
        return cast("BinaryIO", _LentFile(file, self._take_back))

    def close(self) -> None:
        """Close the objects that are open."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _take_back(self) -> None:
        self._is_lent = False


class _LentFile:
    """What reading a payload needs of a file, which stays open when it is closed.

    It stands at the object's start, like any that is opened; but the file goes there only if it is read from there,
    since that may cost what was read ahead.
    """

    def __init__(self, file: BufferedReader, close: Callable[[], None]) -> None:
        self._file = file
        self._is_placed = False
        self.close = close

    def seek(self, offset: int) -> int:
        """As of a file, from its start."""
        self._is_placed = True
        return self._file.seek(offset)

    def read(self, size: int) -> bytes:
        """As of a file."""
        if not self._is_placed:
            self.seek(0)
        return self._file.read(size)
