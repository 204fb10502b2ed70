"""An object as a stream: chunks of it, read one at a time from a view of the database that nobody changes any more."""

from __future__ import annotations

import errno
import io
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 256 << 10
"""Bytes of a chunk. Any but the last has as many, in every database that was ever written."""


class ChunkStream(io.RawIOBase):
    """Reads one object from any place on.

    Args:
        connection: in a transaction, whose view of the object stays when somebody deletes it.
        give_back: takes the connection when the stream is closed.
        found: the object's number there, and its size in bytes.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        give_back: Callable[[sqlite3.Connection], None],
        found: tuple[int, int],
    ) -> None:
        self._connection = connection
        self._give_back = give_back
        self._object, self._size = found
        self._at = 0
        self._number = -1
        self._chunk = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """As ``io.RawIOBase``: what is left of the chunk at hand, at most."""
        if self._at >= self._size:
            return 0
        view = memoryview(buffer).cast("B")
        number, within = divmod(self._at, CHUNK)
        if number != self._number:
            self._chunk = self._read_chunk(number)
            self._number = number
        part = self._chunk[within : within + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _read_chunk(self, number: int) -> bytes:
        """A chunk. Raises OSError where the file cannot be read, as files do."""
        question = "SELECT data FROM chunks WHERE object = ? AND number = ?"
        try:
            row = self._connection.execute(question, (self._object, number)).fetchone()
        except sqlite3.Error as error:
            raise OSError(errno.EIO, str(error)) from error
        return row[0] if row else b""

    def close(self) -> None:
        if not self.closed:
            self._give_back(self._connection)
        super().close()
