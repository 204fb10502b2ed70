"""Progress: on a terminal, for long work, on stderr; otherwise not at all."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from tests.sandbox import Sandbox, model

_WORK = """\
import sys, threading, time
from git_theta.cli import progress
progress._FIRST_DELAY = {patience}
with progress.show_progress({description!r}, 4_000_000, 8) as tick:
    def work():
        for _ in range(4):
            tick.begin_item()
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


def on_a_terminal(program: str, cwd: Path | None = None, columns: int = 100) -> tuple[str, str]:
    """What a program in Python prints on stdout, and on stderr, which is a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
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
        assert process.wait() == 0, drawn
    os.close(ours)
    return printed, drawn.decode()


def test_long_work_on_a_terminal_shows_how_far_it_is_and_leaves_no_trace() -> None:
    printed, drawn = run(0.1, terminal=True)
    assert printed == "rich"
    assert "Checking objects" in drawn
    assert "/4.0 MB" in drawn
    assert "MB/s" in drawn
    assert re.search("Checking objects [2-8] of 8 ", drawn)
    assert re.search("(50|62|63|75|88|100)%", drawn)
    assert re.search(r"\d\d:\d\d", drawn)  # the time that is left
    # The line is erased, and the cursor shown again.
    assert drawn.rstrip().endswith("\x1b[2K") or "\x1b[2K" in drawn[drawn.rindex("MB/s") :]
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")


def test_a_description_is_shown_as_it_is() -> None:
    _, drawn = run(0.1, terminal=True, description="a [red]file\nname")
    assert "a [red]file?name" in drawn


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_it_fits_on_a_line(columns: int) -> None:
    program = _WORK.format(patience=0.1, description="Merging models/encoder/model-00001-of-00002.safetensors")
    _, drawn = on_a_terminal(program, columns=columns)
    assert "Mergin" in drawn and "4.0 MB" in drawn and re.search(r"\d%", drawn)
    lines = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", drawn).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("4.0 MB" not in line for line in lines if line.strip())


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


_COMMAND = """\
import subprocess, sys
from pathlib import Path
from git_theta.cli import progress
from git_theta.cli.main import main
progress._FIRST_DELAY = progress._REDRAW_PERIOD = 0
sys.exit(main({words!r}))
"""


@pytest.fixture
def shards(tmp_path: Path) -> Sandbox:
    """Three shards that are written after Git, and one file that is not, committed; a remote has nothing yet."""
    sandbox = Sandbox.create(tmp_path / "repository")
    sandbox.theta("track", "*.safetensors")
    for number in range(3):
        sandbox.write(f"shard-{number}.safetensors", model(number, weight=(DEFERRED_SIZE // 512, 128 + number)))
    sandbox.commit()
    sandbox.git("init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    sandbox.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    return sandbox


def assert_counts(drawn: str, words: str, last: int) -> None:
    """Something was drawn with these words, for each of the items, with share and time, up to the end."""
    for number in range(1, last + 1):
        assert f"{words} {number} of {last} " in drawn, drawn
    assert "100%" in drawn
    assert re.search(r"\d\d:\d\d", drawn)


def test_fsck_push_fetch_and_checkout_know_how_much_there_is(shards: Sandbox) -> None:
    _, drawn = on_a_terminal(_COMMAND.format(words=["fsck"]), shards.root)
    assert re.search("Checking objects [1-6] of 6 ", drawn)
    assert "100%" in drawn
    _, drawn = on_a_terminal(_COMMAND.format(words=["push"]), shards.root)
    assert_counts(drawn, "Pushing objects", 6)
    shards.git("push", "--quiet", "origin", "HEAD")
    shutil.rmtree(shards.root / ".git/theta/objects")
    _, drawn = on_a_terminal(_COMMAND.format(words=["fetch"]), shards.root)
    assert_counts(drawn, "Fetching objects", 6)
    shards.git("rm", "--quiet", "--cached", "*.safetensors")
    shards.git("reset", "--quiet", "--hard", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    _, drawn = on_a_terminal(_COMMAND.format(words=["checkout"]), shards.root)
    assert_counts(drawn, "Checking out", 3)
    assert shards.git("status", "--porcelain").stdout == ""


_FILTER = """\
import sys
from git_theta.cli import boundary, filter_process, progress
progress._FIRST_DELAY = progress._REDRAW_PERIOD = 0
sys.exit(boundary.run(filter_process.main))
"""
_GIT = """\
import subprocess, sys
subprocess.run(["git", "-c", {setting!r}, *{words!r}], check=True)
"""


def test_the_filter_shows_what_git_waits_for(shards: Sandbox, tmp_path: Path) -> None:
    script = tmp_path / "filter.py"
    script.write_text(_FILTER)
    setting = f"filter.theta.process={shlex.join([sys.executable, str(script)])}"
    (shards.root / "shard-1.safetensors").unlink()
    shards.git("commit", "--quiet", "--all", "-m", "two")
    _, drawn = on_a_terminal(_GIT.format(setting=setting, words=["checkout", "--quiet", "HEAD^"]), shards.root)
    assert "Restoring" in drawn
    assert "100%" in drawn
    shards.write("new.safetensors", model(9, weight=(DEFERRED_SIZE // 512, 150)))
    _, drawn = on_a_terminal(_GIT.format(setting=setting, words=["add", "new.safetensors"]), shards.root)
    assert "Storing new.safetensors" in drawn
    assert "100%" in drawn


def test_work_within_work_is_shown_in_its_place() -> None:
    program = """\
from git_theta.cli import progress
progress._FIRST_DELAY = progress._REDRAW_PERIOD = 0
with progress.show_progress("Around", 100) as meter:
    meter(10)
    with meter.show_work("Within", 50):
        meter(25)
    meter(80)
"""
    _, drawn = on_a_terminal(program)
    assert (
        drawn.index("10%") < drawn.index("Within") < drawn.index("50%") < drawn.rindex("Around") < drawn.rindex("90%")
    )
