"""Temporary repositories lie in memory where there is room for them: most of them live for less than a second."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = "PYTEST_DEBUG_TEMPROOT"
"""The environment variable that names the folder in which pytest makes its own. A person's choice stays."""
SHARED_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
"""Bytes that have to be free. The suite has half a gigabyte there at a time, and a run that fails leaves its own."""


def choose_memory() -> None:
    """Have pytest's temporary folders be made in memory, where nobody has said otherwise and there is room."""
    if ROOT not in os.environ and has_room(SHARED_MEMORY) and _available_memory() >= 2 * _ROOM:
        os.environ[ROOT] = os.fspath(SHARED_MEMORY)


def has_room(folder: Path) -> bool:
    """Whether the suite fits there, and may run what it writes there: containers have 64 MB, or run nothing."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


def _available_memory() -> int:
    """Bytes that programs may still ask for; 0 where the system does not say."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0
