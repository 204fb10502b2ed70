"""Threads. Everything heavy (hashing, zstd, copying, file I/O) releases the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

HELD = 16 << 20
"""Bytes of a part up to which one worker takes it whole; larger parts stream through several, block by block."""


class Workers:
    """Two pools: ``cores`` for work that waits for nobody, ``lanes`` for work that waits for ``cores``.

    Threads start when first used. Memory: at most ``2 * count`` results, or held parts, exist at a time.
    """

    def __init__(self) -> None:
        self.count = max(2, min(8, os.cpu_count() or 1))
        self.cores = ThreadPoolExecutor(self.count, "theta-core")
        self.lanes = ThreadPoolExecutor(2, "theta-lane")

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
        self.cores.shutdown(cancel_futures=True)
        self.lanes.shutdown(cancel_futures=True)
