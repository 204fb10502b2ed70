"""Git's filter process with something done to it, for tests to set as ``filter.theta.process``.

``faulty_process.py fault TARGET WHEN NTH FAULT MARKER [ARGS]``
    Runs the filter with ARGS. Just ``before`` or ``after`` the NTH call of TARGET (``module:attribute``, any thread)
    comes FAULT: ``kill`` (SIGKILL to itself), ``pause`` (until MARKER is gone), or the name of an ``errno`` to raise as
    OSError. MARKER is written when it comes, so that a test can tell that its stage was reached.
``faulty_process.py driver TARGET ...`` and ``faulty_process.py theta TARGET ...``
    The same, in the merge driver and in ``git theta``.
``faulty_process.py count TARGET FILE``
    Runs the filter; writes how often TARGET was called to FILE when it ends.
``faulty_process.py set TARGET NUMBER``
    Runs the filter with a module's constant TARGET as NUMBER.
``faulty_process.py measure FILE``
    Runs the filter; writes the peak of its resident memory, in bytes, to FILE when it ends.
"""

from __future__ import annotations

import atexit
import errno
import functools
import importlib
import itertools
import os
import resource
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

from git_theta.cli import boundary, filter_process


def command(*words: str | Path) -> str:
    """What to set ``filter.theta.process`` to."""
    return shlex.join(command_words(*words))


def command_words(*words: str | Path, python: Path | None = None) -> list[str]:
    """The command, for an interpreter, ours by default; forked where programs are, unless it is measured."""
    from tests.command_server import name_interpreter  # where this is run, there are no tests

    ours = python or Path(sys.executable)
    return [str(ours) if words[0] == "measure" else name_interpreter(ours), "-I", __file__, *map(str, words)]


def wait_for(marker: Path, seconds: float) -> None:
    """Return when a fault has come. Raises AssertionError when it does not."""
    deadline = time.monotonic() + seconds
    while not marker.exists():
        assert time.monotonic() < deadline, "the stage was never reached"
        time.sleep(0.01)


def arm(target: str, when: str, nth: str, fault: str, marker: str) -> None:
    """Put the fault in."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    function = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(function)
    def faulty(*args: Any, **kwargs: Any) -> Any:
        its_turn = next(calls) == int(nth)
        if its_turn and when == "before":
            _come(fault, Path(marker))
        result = function(*args, **kwargs)
        if its_turn and when == "after":
            _come(fault, Path(marker))
        return result

    setattr(owner, name, faulty)


def count(target: str, file: Path) -> None:
    """Write how often a function was called."""
    module, _, name = target.partition(":")
    owner = importlib.import_module(module)
    function, calls = getattr(owner, name), itertools.count()

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        next(calls)
        return function(*args, **kwargs)

    setattr(owner, name, counted)
    atexit.register(lambda: file.write_text(str(next(calls))))


def _come(fault: str, marker: Path) -> None:
    marker.touch()
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "pause":
        while marker.exists():
            time.sleep(0.01)
    else:
        code = getattr(errno, fault)
        raise OSError(code, os.strerror(code))


def _measured(file: Path) -> None:
    unit = 1 if sys.platform == "darwin" else 1024
    try:  # what getrusage says includes what the process that forked us had
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    file.write_text(str(peak))


def main() -> int:
    """Do what the command line says."""
    mode, *words = sys.argv[1:]
    sys.argv[1:] = []
    if mode == "measure":
        atexit.register(_measured, Path(words[0]))
    elif mode == "set":
        module, _, name = words[0].partition(":")
        setattr(importlib.import_module(module), name, int(words[1]))
    elif mode == "count":
        count(words[0], Path(words[1]))
    else:
        sys.argv[1:] = words[5:]
        arm(*words[:5])
    return _entry(mode)


def _entry(mode: str) -> int:
    if mode == "driver":
        from git_theta.cli.merge_driver import run_driver

        return run_driver()
    if mode == "theta":
        from git_theta.cli.main import main as theta

        return theta()
    return boundary.run(filter_process.main)


if __name__ == "__main__":
    sys.exit(main())
