"""Content-defined chunks of bytes that no format understands: an edit moves the cuts near it and no others.

FastCDC as of Xia et al. 2020 (doi 10.1109/TPDS.2020.2984632), by the pyfastcdc library. The sizes are part of what
makes equal bytes share objects: changing them costs every user a copy, so they do not change.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.operations.streams import Stream

AVERAGE = 1 << 20
SMALLEST = 256 << 10
LARGEST = 4 << 20


class _LimitedReader:
    """The next ``left`` bytes of a stream (None: all of them), behind some that were taken already."""

    def __init__(self, taken: memoryview, stream: Stream, left: int | None) -> None:
        self._taken = taken
        self._stream = stream
        self._left = left

    def readinto(self, view: memoryview) -> int:
        if self._taken:
            size = min(len(view), len(self._taken))
            view[:size] = self._taken[:size]
            self._taken = self._taken[size:]
            return size
        size = len(view) if self._left is None else min(len(view), self._left)
        got = self._stream.readinto(view[:size])
        if self._left is not None:
            self._left -= got
        return got


def cut_chunks(taken: memoryview, stream: Stream, left: int | None) -> Iterator[bytes]:
    """``taken`` and the next ``left`` bytes of the stream (None: to its end), cut where the content says."""
    from pyfastcdc import FastCDC

    chunker = FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST, normalized_chunking=1, seed=0)
    return (bytes(chunk.data) for chunk in chunker.cut_stream(_LimitedReader(taken, stream, left)))
