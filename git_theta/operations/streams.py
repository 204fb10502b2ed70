"""The bytes of a file: as Git streams them, and at random where a file on disk or memory has them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from git_theta.errors import ChangedFile, FormatError
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.spec import Spec

HEAD_SIZE = 1 << 20
"""Bytes of a file that are looked at before anything is decided about it."""
_STEP = 1 << 16

ReadInto = Callable[[memoryview], int]
"""Fills some of the view and says how much; 0 at the end."""


class FileSource:
    """A regular file at random access; a ``formats.base.Source``. Never follows a symlink. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size
        self._halted = False

    def read(self, offset: int, size: int) -> bytes:
        """As a format's source does. Raises ChangedFile when the file has shrunk, or ``halt`` was called."""
        if self._halted:
            raise ChangedFile("the file is not what is being added")
        if size < 0 or offset < 0 or offset + size > self.size:
            raise FormatError(f"the file ends before byte {offset + size}")
        return self._read_exactly(offset, size)

    def prefix(self, size: int) -> Iterator[bytes]:
        """The first ``size`` bytes, in blocks; also when halted."""
        return (self._read_exactly(start, min(HEAD_SIZE, size - start)) for start in range(0, size, HEAD_SIZE))

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill ``view`` with what stands at ``offset``, and say how much; also when halted."""
        return os.preadv(self._descriptor, [view], offset)

    def halt(self) -> None:
        """Let every later ``read`` fail: nobody wants to know any more."""
        self._halted = True

    def stat(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _read_exactly(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                raise ChangedFile("the file shrank while it was read", hint="Repeat the command.")
            data += more
        return data


def open_file_source(path: Path) -> FileSource | None:
    """The file, or None where there is no regular file to read."""
    with contextlib.suppress(OSError):
        if path.is_file() and not path.is_symlink():
            return FileSource(path)
    return None


class BytesSource:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        if size < 0 or offset < 0 or offset + size > self.size:
            raise FormatError(f"the file ends before byte {offset + size}")
        return self._data[offset : offset + size]


RandomAccess = FileSource | BytesSource


class SourceValues:
    """``Values`` that stand in a source, from ``offset`` on."""

    def __init__(self, spec: Spec, size: int, source: RandomAccess, offset: int) -> None:
        self.spec = spec
        self.size = size
        self._source = source
        self._offset = offset

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says."""
        for start in range(first * BLOCK, self.size, BLOCK):
            yield self._source.read(self._offset + start, min(BLOCK, self.size - start))


class Stream:
    """A file as it arrives: its head can be looked at before it is taken.

    Attributes:
        head: the first HEAD_SIZE bytes, or the whole file when it ``is_short``.
        offset: bytes taken so far.
    """

    def __init__(self, readinto: ReadInto) -> None:
        self._readinto = readinto
        self.offset = 0
        self.head = _read_head(readinto)
        self.is_short = len(self.head) < HEAD_SIZE

    @classmethod
    def from_pieces(cls, pieces: Iterable[Buffer], then: Stream | None = None) -> Stream:
        """The pieces, and then what is left of another stream, as one."""
        return cls(_PieceReader(chain(pieces, then.take_rest() if then else ())).readinto)

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` with the next bytes, and say how many; fewer than it holds only at the end."""
        have = min(len(view), max(0, len(self.head) - self.offset))
        view[:have] = self.head[self.offset : self.offset + have]
        if not self.is_short:
            have += _fill(view[have:], self._readinto)
        self.offset += have
        return have

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes in memory of their own; fewer only at the end."""
        left = len(self.head) - self.offset if self.is_short else size
        block = memoryview(bytearray(min(size, left)))
        return block[: self.readinto(block)]

    def take_rest(self, size: int = HEAD_SIZE) -> Iterator[Buffer]:
        """Everything left, in blocks of ``size`` bytes, the last one shorter."""
        while block := self.take(size):
            yield block


class _PieceReader:
    """Pieces of bytes, read as a file is."""

    def __init__(self, pieces: Iterator[Buffer]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readinto(self, view: memoryview) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        size = min(len(view), len(self._piece))
        view[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


def _read_head(readinto: ReadInto) -> bytes:
    """The first HEAD_SIZE bytes, or all there is, in steps: most manifests are small, and memory has to be cleared."""
    head, block = bytearray(), memoryview(bytearray(_STEP))
    while size := _fill(block[: HEAD_SIZE - len(head)], readinto):
        head += block[:size]
    return bytes(head)


def _fill(view: memoryview, readinto: ReadInto) -> int:
    """How much of ``view`` could be filled."""
    have = 0
    while have < len(view) and (got := readinto(view[have:])):
        have += got
    return have
