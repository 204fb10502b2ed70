"""Objects that are moved side by side, and nobody wants any more."""

from __future__ import annotations

import time
from threading import Event

import pytest

from git_theta.transport.parallel import run_parallel


def test_whoever_is_silent_is_left_to_itself_soon() -> None:
    """A person who types Ctrl-C does not wait until a host is given up."""
    stopping, never = Event(), Event()

    def end() -> None:
        if not stopping.is_set():
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run_parallel(lambda _: never.wait(20), range(3), 2, stopping, end))
    assert stopping.is_set()
    assert time.monotonic() - began < 10
    never.set()


def test_what_ends_when_it_is_told_to_is_waited_for() -> None:
    stopping, ended = Event(), []

    def work(item: int) -> None:
        if item:
            stopping.wait(20)
            time.sleep(0.1)
            ended.append(item)
        else:
            raise ValueError

    with pytest.raises(ValueError):
        list(run_parallel(work, [0, 1, 2], 3, stopping))
    assert sorted(ended) == [1, 2]
