"""How long a host may keep us waiting: after a while the person is told, and later it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from git_theta.errors import TransportError
from git_theta.transport.parallel import BackgroundTask

_Result = TypeVar("_Result")


class Patience(NamedTuple):
    """Times, in seconds.

    Attributes:
        tell_after: without an answer, the person is told.
        give_up_after: without one, it is an error; infinite where what we wait for knows better when to end.
        pause: before the first repetition; each later one waits twice as long.
    """

    tell_after: float = 10
    give_up_after: float = 60
    pause: float = 0.5


class SilenceClock:
    """Watches for how long a host has been silent, and says so once.

    Args:
        host: what the person knows it by.
        patience: for how long.
        tell: says one thing to the person.
        silence: what it is that the host does, in words.
    """

    def __init__(
        self, host: str, patience: Patience, tell: Callable[[str], None], silence: str = "has not answered"
    ) -> None:
        self._silence, self._patience, self._tell = f"{host} {silence}", patience, tell
        self.reset()

    def reset(self) -> None:
        """The host gave a sign of life."""
        self._since = time.monotonic()
        self._was_told = False

    def check(self) -> None:
        """Say that the host is silent, when it is time to. Raises TransportError when it is time to give up."""
        silent = time.monotonic() - self._since
        if silent >= self._patience.give_up_after:
            raise TransportError(
                f"{self._silence} for {silent:.0f} s",
                hint="See whether the network is up, and try again: what has arrived stays.",
            )
        if silent >= self._patience.tell_after and not self._was_told:
            self._was_told = True
            rest = self._patience.give_up_after - silent
            ending = f"; giving up after {rest:.0f} s more" if math.isfinite(rest) else ""
            self._tell(f"{self._silence} for {silent:.0f} s{ending}")


ONLY_TELL = Patience(give_up_after=math.inf)
"""For programs and libraries that end by themselves, when their own settings say so."""


def run_bounded(
    action: Callable[[], _Result], clock: SilenceClock, measure: Callable[[], object] = lambda: None
) -> _Result:
    """What ``action()`` returns or raises; TransportError where the clock gives up first.

    It runs in a thread that is then left to itself: neither a look-up of a name nor the head of an answer that drips
    can be ended otherwise. ``measure``: what changes while the host gives signs of life.
    """
    task = BackgroundTask(action)
    clock.reset()
    before = measure()
    while not task.wait(0.05):
        if (now := measure()) != before:
            before = now
            clock.reset()
        clock.check()
    return task.take_result()
