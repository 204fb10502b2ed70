"""Progress: on a terminal, for long work, on stderr; otherwise not at all."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

_WORK = """\
import sys, threading, time
from git_theta.cli import progress
progress._PATIENCE = {patience}
with progress.progress({description!r}, 4_000_000) as tick:
    def work():
        for _ in range(4):
            tick(500_000)
            time.sleep(0.12)
    threads = [threading.Thread(target=work) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
sys.stdout.write("rich" if "rich" in sys.modules else "nothing")
"""


def run(patience: float, *, terminal: bool, description: str = "Checking objects") -> tuple[str, str]:
    """What half a second of work prints on stdout and on stderr."""
    program = _WORK.format(patience=patience, description=description)
    if terminal:
        return on_a_terminal(program)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def on_a_terminal(program: str, cwd: Path | None = None) -> tuple[str, str]:
    """What a program in Python prints on stdout, and on stderr, which is a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=cwd, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment
    ) as process:
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 4096):
                drawn += piece
        except OSError:  # the other side is closed
            pass
        assert process.stdout
        printed = process.stdout.read()
    os.close(ours)
    return printed, drawn.decode()


def test_long_work_on_a_terminal_shows_bytes_and_rate_and_leaves_no_trace() -> None:
    printed, drawn = run(0.1, terminal=True)
    assert printed == "rich"
    assert "Checking objects" in drawn
    assert "/4.0 MB" in drawn
    assert "MB/s" in drawn
    # The line is erased, and the cursor shown again.
    assert drawn.rstrip().endswith("\x1b[2K") or "\x1b[2K" in drawn[drawn.rindex("MB/s") :]
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")


def test_a_description_is_shown_as_it_is() -> None:
    _, drawn = run(0.1, terminal=True, description="a [red]file\nname")
    assert "a [red]file?name" in drawn


def test_quick_work_shows_nothing_and_loads_nothing() -> None:
    assert run(30, terminal=True) == ("nothing", "")


def test_without_a_terminal_nothing_is_shown_or_loaded() -> None:
    assert run(0, terminal=False) == ("nothing", "")


def test_what_is_done_between_two_pieces_of_work_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from git_theta.cli import progress

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "_start_bar", lambda *_: pytest.fail("drawn"))
    monkeypatch.setattr(progress, "_FIRST_DELAY", 0)
    meter = progress.Meter()
    meter(1)
    with meter.show_work("nothing to tell"):
        pass
    meter(1)
