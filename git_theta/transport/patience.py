"""How long a host may keep us waiting: after a while the person is told, and later it ends."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from typing import NamedTuple, TypeVar

from git_theta.errors import TransportError
from git_theta.transport.choose import name_remote
from git_theta.transport.outcomes import UnusableRemote
from git_theta.transport.parallel import run_in_background

_CHECK_SECONDS = 0.05
_LONGEST_LOOK = 2
"""Seconds between two looks that count, at most: we may have been stopped, or asleep with the machine, since the last.
"""
_SECONDS = re.compile("[1-9][0-9]{0,5}")

_Result = TypeVar("_Result")


class Patience(NamedTuple):
    """Times, in seconds.

    Attributes:
        tell_after: without an answer, the person is told.
        give_up_after: without one, it is an error; infinite where it never is.
        pause: before the first repetition; each later one waits twice as long.
        key: of the configuration, where a person says how patient they are.
    """

    tell_after: float = 10
    give_up_after: float = 60
    pause: float = 0.5
    key: str = "theta.remote.NAME.patience"


USUAL_PATIENCE = Patience()
"""Of a person who says nothing of it."""


def read_patience(name: str, settings: Mapping[str, str]) -> Patience:
    """How patient a person is with a remote. Raises TransportError where what they say is no number of seconds.

    Args:
        name: the remote's, as Git's configuration calls it; its URL where it has none.
        settings: what ``vcs.remotes.read_transport_settings`` found.
    """
    key = f"theta.remote.{name}.patience"
    patience = USUAL_PATIENCE._replace(key=name_remote(USUAL_PATIENCE.key, name))
    if key not in settings:
        return patience
    if not _SECONDS.fullmatch(settings[key]):
        raise TransportError(f"{key} is {settings[key]!r}", hint="It is a number of seconds, from 1 to 999999.")
    return patience._replace(give_up_after=int(settings[key]))


class SilentHost(UnusableRemote):
    """A host that was waited for long enough. Nothing that it has got or given is lost by that."""


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

    @property
    def limit(self) -> float:
        """Seconds of silence after which the host is given up."""
        return self._patience.give_up_after

    def reset(self) -> None:
        """The host gave a sign of life."""
        self._since = self._looked = time.monotonic()
        self._was_told = False

    def check(self) -> None:
        """Say that the host is silent, when it is time to. Raises SilentHost when it is time to give up."""
        limit = self.limit
        silent = self._measure_silence()
        if silent >= limit:
            raise SilentHost(
                f"{self._silence} for {silent:.0f} s",
                hint="See whether the network is up, and try again: what has arrived stays.\n"
                f"A host that needs longer gets it: git config {self._patience.key} {2 * limit:.0f}",
            )
        if silent >= self._patience.tell_after and not self._was_told:
            self._was_told = True
            end = f"; giving up after {limit - silent:.0f} s more" if math.isfinite(limit) else ""
            self._tell(f"{self._silence} for {silent:.0f} s{end}")

    def _measure_silence(self) -> float:
        """Seconds for which the host was silent while we looked."""
        now = time.monotonic()
        self._since += max(0, now - self._looked - _LONGEST_LOOK)
        self._looked = now
        return now - self._since


def run_bounded(action: Callable[[], _Result], clock: SilenceClock) -> _Result:
    """What ``action()`` returns or raises; SilentHost where the clock gives up first.

    It runs in a thread that is then left to itself: neither a look-up of a name nor the head of an answer that drips
    can be ended otherwise.
    """
    outcome = run_in_background(action)
    clock.reset()
    while not wait([outcome], _CHECK_SECONDS).done:
        clock.check()
    return outcome.result()
