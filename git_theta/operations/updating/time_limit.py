"""A limit on how long a computation in C may take that nothing else stops: a regular expression of a stranger."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise TimeoutError within the ``with`` block once it took so long.

    By a signal, which ``re`` looks out for as it searches. Only the main thread gets any: elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGALRM, _raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def _raise_timeout(_signal: int, _frame: FrameType | None) -> Never:
    raise TimeoutError
