"""Names that would break a line, or steer a terminal: every command says them in one line, escaped (L10)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import git_theta
from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit
from tests.templates import built_once

BAD = "x\ny\x1b]0;z\x07\x85\u2028\t\u202ev"
"""Line ends of Unix, and of Unicode; the title of a terminal, set; a tab, and text from right to left."""
FILE = f"{BAD}.safetensors"
SHOWN = "x\\ny\\x1b]0;z\\x07\\x85\\u2028\\t\\u202ev"
SAID_BY_GIT = ("Auto-merging", "CONFLICT")

READING = [
    ("ls-files", "--parameters"), ("status",), ("show", f"HEAD:{FILE}", "--parameters"), ("log",), ("log", "--oneline"),
    ("blame", FILE), ("diff", "base", "HEAD"), ("diff", "--stat", "base", "HEAD"), ("describe", FILE), ("du",),
    ("du", "--by", "commit"), ("fsck",), ("doctor",), ("gc", "-n"), ("show", f"HEAD:{FILE}no"), ("repack",),
    ("relayout", FILE), ("merge", "--plan", "side"), ("ls-files", f"{FILE}no"), ("log", "-p", BAD.replace("]", "")),
    ("checkout",), ("add", FILE, "--update", "scale", "--from", FILE),
]  # fmt: skip


def checkpoint(value: int) -> bytes:
    names = (f"{BAD}.weight", f"{BAD}.bias", "plain")
    tensors = {name: ("F32", (4,), np.full(4, value, "<f4").tobytes()) for name in names}
    return safetensors_bytes(tensors, {f"{BAD}key": f"{BAD}{value}"})


@pytest.fixture
def hostile(sandbox: Sandbox) -> Sandbox:
    """Two branches that contest every parameter."""
    _fork(sandbox)
    return sandbox


@built_once
def _fork(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    for branch, value in (("base", 0), ("side", 1), ("main", 2)):
        sandbox.git("switch", "-qc", branch, *(["base"] if value else []))
        sandbox.write(FILE, checkpoint(value))
        sandbox.commit(branch)


def assert_told(sandbox: Sandbox, *command: str) -> str:
    """What a command says, in which no name breaks a line."""
    done = sandbox.theta(*command, check=False)
    lines = [line for line in (done.stdout + done.stderr).split("\n") if not line.startswith(SAID_BY_GIT)]
    text = "\n".join(lines)
    for letter in "\x07\x85\u2028\u202e":
        assert letter not in text, (command, text)
    assert not re.search(r"^(theta: |hint: |warning: |error: )*y(\x1b|\\x1b)", text, re.M), (command, text)
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("command", READING, ids=lambda command: " ".join(command).split("\n")[0])
def test_no_command_lets_a_name_break_a_line(hostile: Sandbox, command: tuple[str, ...]) -> None:
    text = assert_told(hostile, *command)
    assert SHOWN[:3] in text or command[0] in ("du", "fsck", "doctor", "gc", "checkout", "add")


def test_a_merge_and_its_end(hostile: Sandbox) -> None:
    done = hostile.theta("merge", "side", check=False)
    said = [line for line in done.stderr.split("\n") if line.startswith("theta: ")]
    assert [line for line in said if SHOWN in line][2:] == [f"theta:   {SHOWN}.weight", f"theta:   {SHOWN}.bias"]
    for command in (("status",), ("resolve",), ("resolve", "--theirs", "--only", "plain"), ("resolve", "--ours")):
        assert SHOWN in assert_told(hostile, *command)


def test_patterns(hostile: Sandbox) -> None:
    for command in (("track", f"{BAD}*.bin"), ("track",), ("untrack", f"{BAD}*.bin")):
        assert "x\\ny" in assert_told(hostile, *command)


def test_errors_name_the_file_in_one_line(hostile: Sandbox) -> None:
    for file in (hostile.root / ".git/theta/objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"broken")
    for command in (("fsck",), ("diff", "base", "main"), ("repack", "--dense")):
        assert_told(hostile, *command)


def test_there_is_one_door() -> None:
    """What prints otherwise prints help or scripts."""
    folder = Path(git_theta.__file__).parent / "cli"
    others = {file.name for file in folder.glob("*.py") if "click.echo(" in file.read_text()}
    allowed = {"listing.py", "main.py", "common_options.py", "help.py", "complete.py", "completion.py"}
    assert others == allowed


@pytest.mark.parametrize("command", ["show", "log", "blame", "ls-files"])
def test_a_locale_that_lacks_a_letter_is_no_reason_to_fail(command: str, sandbox: Sandbox) -> None:
    """Git prints UTF-8 in any locale; a path that is none is printed as it is."""
    content = safetensors_bytes({"größe": ("F32", (1,), bytes(4))}, {"note": "naïve"})
    track_and_commit(sandbox, {"modèle.safetensors": content})
    paths = ["modèle.safetensors"] if command == "blame" else []
    done = sandbox.theta(command, *paths, env={"PYTHONIOENCODING": "ascii"})
    assert "modèle" in done.stdout or "größe" in done.stdout
