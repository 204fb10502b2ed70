"""Threads. Everything heavy (hashing, zstd, copying, file I/O) releases the interpreter lock."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # brings logging along: a filter that finds only small known parts starts no thread
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h

WHOLE_LIMIT = 16 << 20
"""Bytes of a part up to which one worker takes it whole; larger parts stream through several, block by block."""


class Workers:
    """Two pools: ``cores`` for work that waits for nobody, ``lanes`` for work that waits for ``cores``.

    Threads start when first used. Memory: at most ``2 * count`` results, or held parts, exist at a time.
    """

    def __init__(self) -> None:
        self.count = max(2, min(8, os.cpu_count() or 1))

    @cached_property
    def cores(self) -> ThreadPoolExecutor:
        """For work that waits for nobody."""
        return _start_pool(self.count, "theta-core")

    @cached_property
    def lanes(self) -> ThreadPoolExecutor:
        """For work that waits for the cores."""
        return _start_pool(2, "theta-lane")

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map`` on the cores: results in order, a bounded number of them ahead."""
        ahead: deque[Future[R]] = deque()
        for item in items:
            ahead.append(self.cores.submit(function, item))
            if len(ahead) > 2 * self.count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def close(self) -> None:
        """Stop; drop what has not begun."""
        for pool in (self.__dict__.get("cores"), self.__dict__.get("lanes")):
            if pool is not None:
                pool.shutdown(cancel_futures=True)


def _start_pool(threads: int, name: str) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    keep_freed_memory()
    return ThreadPoolExecutor(threads, name)


@cache
def keep_freed_memory() -> None:
    """Have glibc keep what we free for what we allocate next.

    Blocks come and go by the gigabyte. Each given back to the kernel and asked for anew costs 256 page faults per MiB:
    a seventh of the time of an add (measured). All threads take from one arena: with one for each, the peak is half as
    much again, and nothing is faster. Other C libraries have no such call.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        for parameter, value in ((_TRIM_THRESHOLD, 1 << 30), (_MMAP_THRESHOLD, 32 << 20), (_ARENA_MAX, 1)):
            library.mallopt(parameter, value)
