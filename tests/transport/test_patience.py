"""A host's silence is what we heard of it: time in which nobody looked is none."""

from __future__ import annotations

import time

import pytest

from git_theta.transport import patience
from git_theta.transport.patience import Patience, SilenceClock, SilentHost


def test_a_machine_that_slept_blames_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does who was stopped (Ctrl-Z), and goes on."""
    monkeypatch.setattr(patience, "_LONGEST_LOOK", 0.2)
    told: list[str] = []
    clock = SilenceClock("a host", Patience(tell_after=0.5, give_up_after=0.6), told.append)
    time.sleep(1)
    clock.check()
    assert told == []
    with pytest.raises(SilentHost, match="a host has not answered"):
        while True:
            time.sleep(0.05)
            clock.check()
    assert len(told) == 1
