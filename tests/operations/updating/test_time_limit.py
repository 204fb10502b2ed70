"""The limit on a computation that nothing else stops."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

import pytest

from git_theta.operations.updating.time_limit import limit_time


def test_what_takes_too_long_is_stopped() -> None:
    before = signal.getsignal(signal.SIGALRM)
    began = time.monotonic()
    with pytest.raises(TimeoutError), limit_time(0.05):
        re.match(r"(a*)*b", "a" * 40)
    assert time.monotonic() - began < 5
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_that_rings_when_all_is_over_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It rings within the limit's own end: what was computed counts, and the handler of before is back."""
    before, real = signal.getsignal(signal.SIGALRM), signal.setitimer

    def ring_late(which: int, seconds: float) -> Any:
        if not seconds:
            os.kill(os.getpid(), signal.SIGALRM)
        return real(which, seconds)

    monkeypatch.setattr(signal, "setitimer", ring_late)
    with limit_time(60):
        computed = True
    assert computed
    assert signal.getsignal(signal.SIGALRM) is before
