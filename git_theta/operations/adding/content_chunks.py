"""Content-defined chunks of bytes that no format understands: an edit moves the cuts near it and no others.

FastCDC as of Xia et al. 2020 (doi 10.1109/TPDS.2020.2984632), by the pyfastcdc library. The sizes are part of what
makes equal bytes share objects: changing them costs every user a copy, so they do not change.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.operations.streams import RandomAccess

AVERAGE = 1 << 20
SMALLEST = 256 << 10
LARGEST = 4 << 20


class _RangeReader:
    """The bytes of a source from ``start`` to ``end``, read as a file is."""

    def __init__(self, source: RandomAccess, start: int, end: int) -> None:
        self._source = source
        self._start = start
        self._end = end

    def readinto(self, view: memoryview) -> int:
        data = self._source.read(self._start, min(len(view), self._end - self._start))
        view[: len(data)] = data
        self._start += len(data)
        return len(data)


def cut_chunks(source: RandomAccess, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the bytes of a source from ``start`` to ``end`` are cut, as their content says: (offset, size) of each."""
    from pyfastcdc import FastCDC

    chunker = FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST, normalized_chunking=1, seed=0)
    return ((start + chunk.offset, chunk.length) for chunk in chunker.cut_stream(_RangeReader(source, start, end)))
