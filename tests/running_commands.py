"""What runs on this machine, by the words that it was started with."""

from __future__ import annotations

import subprocess
import time

_PATIENCE = 5.0
"""Seconds that what was told to end may take, on a machine with much to do."""


def is_running(words: str) -> bool:
    """Whether a program runs that was started with these words."""
    command = ["ps", "-A", "-ww", "-o", "args"]
    return words in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def ends_soon(words: str) -> bool:
    """Whether no program runs any more, after a moment, that was started with these words."""
    deadline = time.monotonic() + _PATIENCE
    while is_running(words):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
