"""How much is on its way to a host at once, where it says nothing of a piece until it has all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Condition
from weakref import finalize

from git_theta.transport.patience import SilenceClock

_QUICK, _SLOW = 1 / 6, 1 / 3
"""What part of our patience a piece may take for more to be sent at once, and from which on it is less."""


class SendWindow:
    """Bytes that may be under way: few at first, more while the host takes them quickly.

    Of eight pieces that share a slow line none arrives for eight times as long, in which the host seems silent. Threads
    ask side by side, for pieces that they have ready: a piece that waits for another one would wait for ever.

    Args:
        least: bytes that may always be under way.
        most: and those that may ever be.
        clock: watches the host; a piece that is taken is a sign of life.
    """

    def __init__(self, least: int, most: int, clock: SilenceClock) -> None:
        self._least, self._most, self._clock = least, most, clock
        self._allowed, self._under_way = least, 0
        self._changed = Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Have so many bytes be under way while the ``with`` block lasts, once there is room for them."""
        release = self._take(size)
        try:
            yield
        finally:
            release()

    def lend(self, piece: bytearray) -> memoryview:
        """A piece to hand over, once there is room for it, as what is under way until nobody holds it any more."""
        view = memoryview(piece)
        finalize(view, self._take(len(piece)))
        return view

    def _take(self, size: int) -> Callable[[], None]:
        """Wait until there is room; what gives it back. What is larger than that goes alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way + size <= max(self._allowed, size))
            self._under_way += size
        return partial(self._give_back, size, time.monotonic())

    def _give_back(self, size: int, began: float) -> None:
        taken, limit = time.monotonic() - began, self._clock.limit
        with self._changed:
            self._under_way -= size
            if taken < limit * _QUICK:
                self._allowed = min(self._most, self._allowed + size)
            elif taken > limit * _SLOW:
                self._allowed = max(self._least, self._allowed // 2)
            self._changed.notify_all()
        self._clock.reset()
