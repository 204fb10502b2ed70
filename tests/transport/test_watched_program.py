"""Programs that talk to hosts, and what they start: all of it is found, and it may end meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time

from git_theta.transport.watched_program import _find_descendants

THREADED = """
import subprocess, threading, time
threading.Thread(target=lambda: subprocess.Popen(["sleep", "60"]).wait()).start()
time.sleep(60)
"""


def test_what_another_thread_started_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", THREADED]) as process:
        deadline = time.monotonic() + 30
        while not (found := _find_descendants(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for one in found:
            subprocess.run(["kill", str(one)], check=True)
        process.kill()
    assert len(found) == 1


def test_what_has_ended_has_started_nothing() -> None:
    """Between two looks at it, which is no error of anybody's."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        assert _find_descendants(process.pid) == []
