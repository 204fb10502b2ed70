"""Results that somebody else wrote, or that were cut, killed, lost: told, kept, and never taken for others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.effort import choose_tries
from tests.sandbox import Sandbox, model, track_and_commit

FILE = "model.safetensors"
REF = "refs/notes/theta/eval"
COMMAND = """echo '{"id": "a", "score": 1, "bucket": "b"}'; echo x >> "$LOG" """


@pytest.fixture
def evaluated(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A version with a result."""
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    track_and_commit(sandbox, {FILE: model()})
    sandbox.git("config", "theta.eval.mine.command", COMMAND)
    sandbox.theta("eval")
    return sandbox


def runs() -> int:
    """How often the evaluator ran."""
    log = Path(os.environ["LOG"])
    return len(log.read_text().split()) if log.exists() else 0


def read_note(sandbox: Sandbox) -> tuple[str, dict[str, Any]]:
    blob, target = sandbox.git("notes", f"--ref={REF}", "list").stdout.split()
    return target, json.loads(sandbox.git("cat-file", "blob", blob).stdout)


def write_note(sandbox: Sandbox, target: str, text: str) -> None:
    blob = sandbox.git("hash-object", "-w", "--stdin", input=text).stdout.strip()
    sandbox.git("notes", f"--ref={REF}", "add", "-f", "-C", blob, target)


def list_lines(sandbox: Sandbox) -> list[str]:
    return sandbox.git(
        "cat-file", "blob", sandbox.git("notes", f"--ref={REF}", "list").stdout.split()[0]
    ).stdout.splitlines()


FOREIGN: dict[str, Callable[[dict[str, Any]], str]] = {
    "a later release": lambda data: json.dumps(data | {"version": 2, "more": 1}),
    "cut": lambda data: json.dumps(data)[:60],
    "of another checkpoint": lambda data: json.dumps(data | {"identity": "0" * 40}),
    "no text": lambda data: "\0\1\udcff not ours",
    "deep": lambda data: "[" * 50_000,
}
SAID = {
    "a later release": "is of version 2, and this git-theta reads 1",
    "cut": "is no line of a result",
    "of another checkpoint": "is of another checkpoint",
    "no text": "is no line of a result",
    "deep": "is no line of a result",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_line_that_is_not_ours_to_read_is_told_and_kept(evaluated: Sandbox, what: str) -> None:
    target, data = read_note(evaluated)
    foreign = FOREIGN[what](data)
    write_note(evaluated, target, foreign + "\n")
    done = evaluated.theta("eval")
    assert SAID[what] in done.stderr and runs() == 2
    assert foreign in list_lines(evaluated) and len(list_lines(evaluated)) == 2
    assert "known" in evaluated.theta("eval").stdout
    evaluated.theta("eval", "--forget", "mine")
    assert list_lines(evaluated) == [foreign]


def test_a_blob_of_scores_that_is_gone_or_damaged_is_told_with_what_to_do(evaluated: Sandbox) -> None:
    target, data = read_note(evaluated)
    other = evaluated.git("hash-object", "-w", "--stdin", input='{"id": ["a"], "score": ["x"]}').stdout.strip()
    write_note(evaluated, other, '{"id": ["a"], "score": ["x"]}')
    for blob, said in (("1" * 40, "are not here"), (other, "are damaged")):
        write_note(evaluated, target, json.dumps(data | {"scores": {"blob": blob}}) + "\n")
        failed = evaluated.theta("eval", "--compare", "HEAD", "HEAD", check=False)
        assert failed.returncode == 13
        assert said in failed.stderr and "--rerun" in failed.stderr and f"HEAD:{FILE}" in failed.stderr
    evaluated.theta("eval", "--rerun")
    evaluated.theta("eval", "--compare", "HEAD", "HEAD")


def test_notes_that_were_deleted_are_written_anew(evaluated: Sandbox) -> None:
    evaluated.git("update-ref", "-d", REF)
    assert "known" not in evaluated.theta("eval").stdout
    assert runs() == 2


def test_a_remote_s_ref_that_is_none_of_notes_loses_no_result(evaluated: Sandbox, tmp_path: Path) -> None:
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    evaluated.git("remote", "add", "origin", str(remote.root))
    evaluated.git("push", "--quiet", "origin", f"main:{REF}")
    before = read_note(evaluated)
    evaluated.theta("eval", "--sync", check=False)
    assert before[0] in evaluated.git("notes", f"--ref={REF}", "list").stdout
    assert "known" in evaluated.theta("eval").stdout
    left = evaluated.git("for-each-ref", "--format=%(refname)", "refs/notes").stdout.split()
    assert left == [REF]


def test_two_at_once_lose_no_result(evaluated: Sandbox) -> None:
    names = [f"e{number}" for number in range(6)]
    for name in names:
        evaluated.git("config", f"theta.eval.{name}.command", COMMAND)
    threads = [threading.Thread(target=evaluated.theta, args=("eval", name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {json.loads(line)["evaluation"] for line in list_lines(evaluated)} == {"mine", *names}


def test_a_killed_evaluation_leaves_no_result_and_spoils_none(evaluated: Sandbox) -> None:
    evaluated.git("config", "theta.eval.mine.command", f"sleep 0.2; {COMMAND}; sleep 0.2")
    for number in range(choose_tries(few=3, many=50)):
        process = subprocess.Popen(
            [sys.executable, "-m", "git_theta", "eval", "--rerun"], cwd=evaluated.root, stderr=subprocess.DEVNULL
        )
        time.sleep(0.2 + (number * 0.37) % 1.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        data = json.loads(evaluated.theta("eval", "HEAD", "--json").stdout)
        assert data["evaluations"][0]["mean"] == 1
        evaluated.git("fsck", "--strict", "--no-dangling")


def test_ctrl_c_ends_the_evaluator_too(evaluated: Sandbox, tmp_path: Path) -> None:
    evaluated.git("config", "theta.eval.mine.command", f"echo $$ > {tmp_path}/pid; exec sleep 600")
    process = subprocess.Popen(
        [sys.executable, "-m", "git_theta", "eval", "--rerun"], cwd=evaluated.root, stderr=subprocess.DEVNULL
    )
    begun = time.monotonic()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() - begun < 120
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    asking = ["ps", "-o", "state=", "-p", (tmp_path / "pid").read_text().strip()]
    while (state := subprocess.run(asking, capture_output=True, text=True).stdout.strip()) not in ("", "Z"):
        assert time.monotonic() - begun < 180, state
        time.sleep(0.05)
