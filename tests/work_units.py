"""How much work something is, on any machine and however busy: in units of work that is done in the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable


def units_of_work(action: Callable[[], object], rounds: int = 5) -> float:
    """CPU time of ``action()`` as a multiple of that of :func:`_unit`, done right after it; the lowest of some rounds.

    A unit takes about 15 ms on the machines of 2025.
    """
    return min(_seconds(action) / _seconds(_unit) for _ in range(rounds))


def _seconds(action: Callable[[], object]) -> float:
    started = time.thread_time()
    action()
    return time.thread_time() - started


def _unit() -> object:
    """Calls, small objects and a table, which is what Python programs consist of."""
    return {str(number): (number, number + 1) for number in range(50_000)}
