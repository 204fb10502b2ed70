"""A program that talks to a host: waited for while the host gives signs of life, and ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from git_theta.transport.patience import SilenceClock
from git_theta.vcs.git import GitWait

_POLL_SECONDS, _LONGEST_POLL = 0.05, 0.5
"""How often we look after it: often in the beginning, since most transfers are short."""
_GRACE = 2
"""Seconds that a program has to tidy up once it is asked to end."""

_OWN_CHILDREN = Path("/proc/thread-self/children")


def watch_program(
    process: subprocess.Popen[bytes], clock: SilenceClock, measure: Callable[[], object]
) -> Iterator[None]:
    """Wait until a program ends; the caller may work on between the items, which come often.

    Raises SilentHost where the clock gives up, and what ``measure`` raises. Whatever is raised here, the program has
    ended then.

    Args:
        process: the program, whose output nobody has to read meanwhile.
        clock: watches its host.
        measure: what changes while the host gives signs of life.
    """
    pause = _POLL_SECONDS
    try:
        before = measure()
        ending = threading.Thread(target=process.wait, daemon=True)  # to wait for it with a limit is to poll for it
        ending.start()
        clock.reset()
        while True:
            ending.join(pause)
            if not ending.is_alive():
                return
            pause = min(_LONGEST_POLL, pause * 1.2)
            if (now := measure()) != before:
                before = now
                clock.reset()
            yield
            clock.check()
    except BaseException:
        _end_program(process)
        raise


def wait_watched(clock: SilenceClock) -> GitWait:
    """What waits for a program as :func:`watch_program` does, and does nothing else meanwhile."""

    def wait(process: subprocess.Popen[bytes], measure: Callable[[], object]) -> None:
        for _ in watch_program(process, clock, measure):
            pass

    return wait


def _end_program(process: subprocess.Popen[bytes]) -> None:
    """Have a program end, and what it started: Git's helpers for HTTP and for ssh outlive a git that is ended."""
    for one in (process.pid, *_find_descendants(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    process.kill()
    process.wait()


def _find_descendants(process: int) -> list[int]:
    children = _list_children(process)
    return children + [one for child in children for one in _find_descendants(child)]


def _list_children(process: int) -> list[int]:
    """Those that any thread of a process has started: git-lfs has many."""
    if not _OWN_CHILDREN.exists():  # this is no Linux
        words = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout
        return [int(word) for word in words.split()]
    found: list[int] = []
    with suppress(OSError):  # it has just ended
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):  # this has
                found += map(int, (thread / "children").read_text().split())
    return found
