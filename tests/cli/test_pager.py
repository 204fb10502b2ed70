"""Output on a terminal: through Git's pager and in Git's colours; anywhere else as it is."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.manifest_history import Story
from tests.sandbox import Sandbox


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(Sandbox.create(tmp_path / "repository", install=False))
    for number in range(3):
        story.commit(f"Commit {number}", {"model.pt": {"a": str(number)}})
    return story


def on_a_terminal(story: Story, *args: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of ``git theta ARGS`` where stdout is a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = ["git", "theta", *args]
    with subprocess.Popen(
        command, cwd=story.sandbox.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        output = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return process.returncode, output.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # nobody has the other side any more
        return b""


def test_the_pager_gets_it_in_colours(story: Story) -> None:
    code, output = on_a_terminal(story, "log", "-n1", GIT_PAGER="sed 's/^/paged: /'")
    assert code == 0
    assert output.startswith("paged: \x1b[33mcommit ")


def test_a_person_may_quit_it_early(story: Story) -> None:
    code, output = on_a_terminal(story, "log", GIT_PAGER="head -n 1")
    assert code == 0
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("pager", ["cat", "", "no-such-pager"])
def test_without_one_it_is_printed_plainly(story: Story, pager: str) -> None:
    code, output = on_a_terminal(story, "log", "-n1", GIT_PAGER=pager)
    assert code == 0
    assert output.startswith("\x1b[33mcommit ")
    assert "Commit 2" in output


def test_git_s_own_switches_hold(story: Story) -> None:
    story.sandbox.git("config", "color.ui", "false")
    assert on_a_terminal(story, "log", "-n1", GIT_PAGER="cat")[1].startswith("commit ")
    assert "\x1b" not in story.sandbox.theta("log").stdout, "no terminal"


def test_who_wants_no_colours_sees_none(story: Story) -> None:
    assert "\x1b" not in on_a_terminal(story, "log", "-n1", GIT_PAGER="cat", NO_COLOR="1")[1]
    story.sandbox.git("config", "color.ui", "always")
    assert "\x1b" in on_a_terminal(story, "log", "-n1", GIT_PAGER="cat", NO_COLOR="1")[1]


def test_no_pager_behind_the_command(story: Story, tmp_path: Path) -> None:
    marker = tmp_path / "paged"
    for options, paged in ((["log"], True), (["log", "--no-pager"], False), (["show", "--no-pager"], False)):
        marker.unlink(missing_ok=True)
        assert on_a_terminal(story, *options, GIT_PAGER=f"touch '{marker}'; cat")[0] == 0
        assert marker.exists() is paged
