"""A limit on how long a computation in C may take that nothing else stops: a regular expression of a stranger."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise TimeoutError within the ``with`` block once it took so long.

    By a signal, which ``re`` looks out for as it searches. Only the main thread gets any: elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_over = False

    def raise_timeout(_signal: int, _frame: FrameType | None) -> None:
        if not is_over:
            raise TimeoutError

    earlier = signal.signal(signal.SIGALRM, raise_timeout)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            is_over = True  # what has rung by then rang in time; the rest is not disturbed by what rings now
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
