"""What runs on this machine, by the words that it was started with."""

from __future__ import annotations

import subprocess
import time

_START, _END = 30.0, 5.0
"""Seconds that it may take to start, or to end once told to, on a machine with much to do."""


def is_running(words: str) -> bool:
    """Whether a program runs that was started with these words."""
    command = ["ps", "-A", "-ww", "-o", "args"]
    return words in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def starts_soon(words: str) -> bool:
    """Whether a program runs, after a moment, that was started with these words."""
    return _turns_out(words, running=True, seconds=_START)


def ends_soon(words: str) -> bool:
    """Whether no program runs any more, after a moment, that was started with these words."""
    return _turns_out(words, running=False, seconds=_END)


def _turns_out(words: str, *, running: bool, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(words) != running:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
