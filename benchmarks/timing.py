"""Run a command: how long it takes, and what it and everything it starts need."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]

_INTERVAL = 0.005
"""Seconds between two looks, of 2 ms each on a machine with many processes."""


@dataclass(frozen=True)
class Probe:
    """What was seen of a command.

    Attributes:
        peaks: program -> the most memory that a process of it had resident, in bytes.
        filters: long-running filters that Git started.
        seconds: how long it took, slowed down as it was.
    """

    peaks: Mapping[str, int]
    filters: int
    seconds: float


def time_command(command: Command, cwd: Path) -> float:
    """Seconds that ``command`` takes. Raises RuntimeError, with what it printed, when it fails."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    elapsed = time.perf_counter() - started
    _require_success(command, done.returncode, done.stdout + done.stderr)
    return elapsed


def probe_command(command: Command, cwd: Path, interval: float = _INTERVAL) -> Probe:
    """Run ``command`` and watch it, which slows it down. Raises RuntimeError as :func:`time_command` does.

    Linux keeps the peak of each process: what counts is the last look before its end, ``interval`` seconds at most.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        trace = Path(folder) / "trace"
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env={**os.environ, "GIT_TRACE2_EVENT": str(trace)},
        )
        peaks: dict[str, int] = {}
        while process.poll() is None:
            for program, size in _resident_processes(process.pid):
                peaks[program] = max(peaks.get(program, 0), size)
            time.sleep(interval)
        elapsed = time.perf_counter() - started
        printed.seek(0)
        _require_success(command, process.returncode, printed.read())
        return Probe(peaks, _count_filters(trace), elapsed)


def _require_success(command: Command, status: int, printed: bytes) -> None:
    if status:
        words = " ".join(map(str, command))
        raise RuntimeError(f"{words} exited {status}:\n{printed.decode(errors='replace')}")


def _count_filters(trace: Path) -> int:
    """Git calls a long-running filter a ``subprocess`` in its trace, and nothing else."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return sum(json.loads(line).get("child_class") == "subprocess" for line in lines)


def _resident_processes(root: int) -> Iterator[tuple[str, int]]:
    """(program, bytes) of ``root`` and every process below it."""
    processes = _read_proc() if Path("/proc/self/stat").exists() else _run_ps()
    family = {root}
    # A child can have a smaller number than its parent, once these wrap.
    while grown := {pid for pid, (parent, _) in processes.items() if parent in family} - family:
        family |= grown
    for pid in family & processes.keys():
        with suppress(OSError, KeyError):  # it has just ended
            yield _program(processes[pid][1]), _peak(pid)


def _read_proc() -> dict[int, tuple[int, str]]:
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        with suppress(OSError, ValueError):
            program, _, rest = _read_stat(int(name)).partition("(")[2].rpartition(")")
            found[int(name)] = int(rest.split()[1]), program
    return found


def _read_stat(pid: int) -> str:
    """The one line that Linux has about a process, in a third of the time that a file object takes."""
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        return os.read(file, 4096).decode(errors="replace")
    finally:
        os.close(file)


def _run_ps() -> dict[int, tuple[int, str]]:
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    rows = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    return {int(pid): (int(parent), Path(program).name) for pid, parent, program in rows}


def _peak(pid: int) -> int:
    """Bytes resident at most so far; where the system does not keep that, now. A zombie has none: KeyError."""
    status = Path(f"/proc/{pid}/status")
    if status.parent.parent.joinpath("self").exists():
        fields = dict(line.split(":", 1) for line in status.read_text(errors="replace").splitlines())
        return int(fields["VmHWM"].split()[0]) << 10
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True)
    return int(done.stdout or 0) << 10


def _program(name: str) -> str:
    """The program that a process counts for: ours whichever interpreter runs it, and all of Git as one."""
    if name.startswith(("python", "git-theta")):
        return "git-theta"
    for tool in ("git-lfs", "mergekit"):
        if name.startswith(tool):
            return tool
    return "git" if name.startswith("git") else name
