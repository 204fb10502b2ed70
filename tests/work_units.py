"""How much work something is, on any machine and however busy: in units of work that is done in the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 5


def takes_fewer_units(units: float, action: Callable[[], object]) -> bool:
    """Whether ``action()`` takes less CPU time than so many of :func:`_unit`, done right after it.

    Asked a few times before it is no: on a busy machine any one of them may be slow. A unit takes about 15 ms on the
    machines of 2025.
    """
    return any(_seconds(action) < units * _seconds(_unit) for _ in range(_TRIES))


def _seconds(action: Callable[[], object]) -> float:
    started = time.thread_time()
    action()
    return time.thread_time() - started


def _unit() -> object:
    """Calls, small objects and a table, which is what Python programs consist of."""
    return {str(number): (number, number + 1) for number in range(50_000)}
