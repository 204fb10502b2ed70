"""A header read from its start on, a window at a time: what it claims costs no more than the bytes that are there."""

from __future__ import annotations

import struct

from git_theta.errors import FormatError
from git_theta.formats.base import Source

LONGEST_HEADER = 64 << 20
"""Bytes; vocabularies of 150,000 tokens take about 7 million. A header is held in memory when files are merged."""
_WINDOW = 1 << 18
_LENGTH = struct.Struct("<Q")


class HeaderCursor:
    """Takes or passes over what is next in a file. Raises FormatError where that, or what may be read, ends before."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limit = min(source.size, LONGEST_HEADER)
        self._window = b""
        self._start = 0
        self._at = 0

    @property
    def position(self) -> int:
        """Where in the file the next byte is."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes that a header may still have."""
        return self._limit - self.position

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if self._at + size > len(self._window):
            self._refill(size)
        taken = self._window[self._at : self._at + size]
        self._at += size
        return taken

    def take_number(self, size: int) -> int:
        """An unsigned integer of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def skip(self, size: int) -> None:
        """Pass over bytes, which are not read where they lie beyond the window."""
        self._require(size)
        self._at += size
        if self._at > len(self._window):
            self._start, self._at, self._window = self.position, 0, b""

    def skip_strings(self, count: int) -> None:
        """Pass over strings: a loop of its own, for a vocabulary has hundreds of thousands."""
        self._require(count * _LENGTH.size)
        while count:
            if len(self._window) - self._at < _LENGTH.size:
                self._refill(_LENGTH.size)
            at, window, last = self._at, self._window, len(self._window) - _LENGTH.size
            while count and at <= last:
                at += _LENGTH.size + _LENGTH.unpack_from(window, at)[0]
                count -= 1
            self.skip(at - self._at)

    def _require(self, size: int) -> None:
        if size > self.left:
            if self._limit < self._source.size:
                raise FormatError(f"the header has more than {LONGEST_HEADER:,} bytes")
            raise FormatError("the file ends within its header")

    def _refill(self, size: int) -> None:
        self._require(size)
        start = self.position
        self._window = self._source.read(start, min(self.left, max(size, _WINDOW)))
        self._start, self._at = start, 0
