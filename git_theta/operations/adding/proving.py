"""The worktree's file split while Git still sends what shall be added, and proven to be just that.

The file can be read anywhere and twice, which Git's stream cannot. So workers split the file, while who drains the
stream compares the two, block by block. Where they are the same, and nothing touched the file meanwhile, what was split
is what Git sends. Else the stream decides: it is written into a file of its own, and that one is split. What workers
had stored by then is known by its own hash, and named by nobody.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from threading import Thread
from typing import Generic, TypeVar

from git_theta.errors import ChangedFile
from git_theta.operations.streams import FileSource, Stream
from git_theta.tensors.arrays import Buffer

T = TypeVar("T")

_REST_SECONDS = 0.1
"""Seconds after a change within which another one may not show: file systems count time in ticks."""


def stat_at_rest(source: FileSource) -> os.stat_result | None:
    """How a file is described, after waiting until its next change would show there; None: it is being written."""
    before = source.stat()
    moving = _REST_SECONDS - abs(time.time() - before.st_ctime)
    if moving > 0:
        time.sleep(moving)
    return before if _description(before) == _description(source.stat()) else None


def require_unchanged(before: os.stat_result, source: FileSource) -> None:
    """Return where a file that was at rest ``before`` has the same bytes now. Raises ChangedFile."""
    if _description(before) != _description(source.stat()):
        raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")


def compare_stream(stream: Stream, source: FileSource) -> Iterator[Buffer] | None:
    """None when the stream has exactly the file's bytes; else what it has, from the start, partly read in the file."""
    size = len(stream.head)  # HEAD_SIZE, where the file is not shorter
    block, beside = bytearray(size), bytearray(size)  # compared by memcmp, as memoryviews are not
    while size := stream.readinto(memoryview(block)):
        del block[size:], beside[size:]
        if source.readinto(memoryview(beside), stream.offset - size) != size or block != beside:
            return chain(source.prefix(stream.offset - size), [block], stream.take_rest())
    return None if stream.offset == source.size else source.prefix(stream.offset)


@contextmanager
def run_beside(call: Callable[[], T], halt: Callable[[], None]) -> Iterator[Callable[[], T]]:
    """Run ``call`` on a thread of its own; what is yielded waits for what it gives, or raises what it raised.

    When the ``with`` block ends it has ended too; ``halt`` makes it do so soon.
    """
    task = _Task(call)
    task.start()
    try:
        yield task.result
    finally:
        halt()
        task.join()


class _Task(Thread, Generic[T]):
    """One call on a thread; what concurrent.futures has for it takes 10 ms to import, for logging."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(name="theta-split")
        self._call = call
        self._given: list[T] = []
        self._raised: list[BaseException] = []

    def run(self) -> None:
        try:
            self._given.append(self._call())
        except BaseException as error:
            self._raised.append(error)

    def result(self) -> T:
        self.join()
        for error in self._raised:
            raise error
        return self._given[0]


def _description(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
