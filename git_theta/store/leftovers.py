"""Temporary files that killed processes left: they may be as large as checkpoints. The one place that sweeps them."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

_ABANDONED_SECONDS, _STALE_SECONDS = 600, 24 * 3600
"""Seconds without a write after which a temporary file is nobody's: when no process has its number (one in a container,
or on another machine that has the folder too, may have it), and in any case."""
HIDDEN_PREFIX = ".theta-"
"""Of temporary files that may stand among the person's own."""
_TEMPORARY = re.compile(rf"({re.escape(HIDDEN_PREFIX)})?(\d{{1,10}})-[0-9a-f]+\Z")
"""The names of our temporary files: the number of the process, and chance."""


def sweep_temporaries(folder: Path, *, shared: bool = False) -> None:
    """Remove our temporary files and folders that killed processes left in ``folder``: they may be as large as
    checkpoints.

    Folders that are called so go with what is in them. ``shared``: files of others stand there too, and ours are those
    whose names say so; folders stay.
    """
    with contextlib.suppress(OSError):  # there is none, or another process is at it too
        for file in folder.iterdir():
            named = _TEMPORARY.match(file.name)
            ours = not shared or (named and named[1])
            if ours and _is_abandoned(file, int(named[2]) if named else None):
                _remove_leftover(file, is_named=named is not None and not shared)


def _remove_leftover(path: Path, *, is_named: bool) -> None:
    if path.is_file():
        path.unlink()
    elif is_named and not path.is_symlink():
        import shutil  # with what it imports, some ms

        shutil.rmtree(path, ignore_errors=True)


def sweep_older(folder: Path, seconds: float) -> None:
    """Remove the files of a folder that nobody has written for so long."""
    with contextlib.suppress(OSError):  # another process may be at it too
        for file in folder.iterdir():
            if time.time() - file.stat().st_mtime > seconds:
                file.unlink()


def _is_abandoned(file: Path, process: int | None) -> bool:
    idle = time.time() - file.lstat().st_mtime
    return idle > (_STALE_SECONDS if process is None or _is_running(process) else _ABANDONED_SECONDS)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's; a number that no process has
        return True
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Whether it has died, and nobody has asked how: containers may have a first program that never does."""
    with contextlib.suppress(OSError):  # no Linux
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    return False
