"""``git theta round close`` before its commit: gates that the start has, and history that a shallow clone lacks."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.test_round import MODEL, POLICY, checkpoint, close, reasons, refused, status, submit, tune
from tests.sandbox import Sandbox

SCORES = """\
import json, os
from safetensors.numpy import load_file
arabic, german = load_file(os.environ["THETA_CHECKPOINT"])["body"]
for number in range(100):
    print(json.dumps({"id": f"a{number}", "score": int(number < 50 + 40 * arabic), "bucket": "arabic"}))
    print(json.dumps({"id": f"g{number}", "score": int(number < 50 + 40 * german), "bucket": "german"}))
"""
EVALS = """\
[eval.languages]
gate = ["{gate}"]
items = "items.txt"
command = "{command}"
"""


def begin(sandbox: Sandbox, gate: str) -> None:
    """A round whose start has a gate, and two heads, of which each learned a language."""
    script = sandbox.write("../score.py", SCORES.encode())
    sandbox.theta("track", "*.safetensors")
    sandbox.write(".theta/rounds.toml", POLICY.encode())
    command = shlex.join([sys.executable, str(script)])
    sandbox.write(".theta/evals.toml", EVALS.format(gate=gate, command=command).encode())
    sandbox.write("items.txt", "".join(f"a{number}\ng{number}\n" for number in range(100)).encode())
    sandbox.write(MODEL, checkpoint((0, 0)))
    sandbox.commit("Start")
    sandbox.theta("round", "start", "cold")
    sandbox.theta("eval", "--allow", "languages")
    submit(sandbox, "ann", checkpoint((1, 0)))
    submit(sandbox, "bob", checkpoint((0, 1)))


def message(sandbox: Sandbox) -> str:
    return sandbox.git("show", "-s", "--format=%B", "cold/1^{}").stdout


def test_a_gate_that_fails_creates_nothing(sandbox: Sandbox) -> None:
    begin(sandbox, "no bucket worse")
    before = sandbox.git("for-each-ref", "refs/heads", "refs/tags").stdout
    done = sandbox.theta("round", "close", check=False)
    said = done.stdout + done.stderr
    assert (done.returncode, sandbox.git("for-each-ref", "refs/heads", "refs/tags").stdout) == (1, before)
    assert "languages: cold/0/ann:m.safetensors -> merged:m.safetensors\n" in said
    assert "gate FAILS: no bucket worse: worse: arabic" in said
    assert "a gate failed\n" in said and "git theta round close --no-gate" in said
    [compared] = close(sandbox, code=1)["evaluations"]
    assert [gate["passed"] for gate in compared["gates"]] == [False]
    assert close(sandbox, "--no-gate")["next"]["tag"] == "cold/1"
    assert "Theta-Gate: skipped languages\nTheta-Round: cold/0\n" in message(sandbox)


def test_gates_are_held_against_the_version_that_is_named(sandbox: Sandbox) -> None:
    begin(sandbox, "no bucket worse")
    found = close(sandbox, "--against", "cold/0")
    assert found["evaluations"][0]["before"]["revision"] == "cold/0"
    assert found["next"]["tag"] == "cold/1"
    assert "Theta-Gate" not in message(sandbox)
    assert "exclude each other" in refused(sandbox, "close", "--against", "cold/0", "--no-gate")


def test_only_the_gates_of_the_start_are_asked_on_its_items(sandbox: Sandbox) -> None:
    """What the worktree, or a head, says of gates and items does not count (L10)."""
    begin(sandbox, "bucket:arabic >= 0.65")
    sandbox.write(".theta/evals.toml", b'[eval.languages]\ngate = ["mean >= 2"]\ncommand = "exit 1"\n')
    sandbox.write("items.txt", b"a99\n")
    found = close(sandbox)
    assert [gate["gate"] for gate in found["evaluations"][0]["gates"]] == ["bucket:arabic >= 0.65"]
    assert found["evaluations"][0]["overall"]["n"] == 200


def test_an_evaluation_that_may_not_run_is_told_of(sandbox: Sandbox) -> None:
    begin(sandbox, "no bucket worse")
    sandbox.theta("eval", "--forget", "languages")
    done = sandbox.theta("round", "close")
    assert "the evaluation languages is not allowed: its gates were not asked" in done.stderr
    assert sandbox.git("tag", "--list", "cold/1").stdout == "cold/1\n"


def test_a_rehearsal_asks_no_gates(sandbox: Sandbox) -> None:
    begin(sandbox, "no bucket worse")
    sandbox.theta("round", "close", "--dry-run")
    assert sandbox.git("notes", "--ref=theta/eval", "list", check=False).stdout == ""


@pytest.fixture
def shallow(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A clone that has the newest commit of everything, and the tags; ann has tuned in two commits."""
    begin(sandbox, "no bucket worse")
    tune(sandbox, "ann", checkpoint((1, 0)))
    sandbox.write(MODEL, checkpoint((1, 0.5)))
    sandbox.commit("Tune on")
    sandbox.theta("round", "submit", "--as", "ann")
    sandbox.git(
        "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{sandbox.root}", str(tmp_path / "shallow")
    )
    return Sandbox(tmp_path / "shallow")


def test_a_shallow_clone_without_the_tag_says_how_to_get_it(shallow: Sandbox) -> None:
    shallow.git("tag", "-d", "cold/0")
    said = refused(shallow, "status")
    assert "there is no round here" in said and "git fetch --unshallow --tags" in said


def test_a_shallow_clone_does_not_say_that_heads_are_from_elsewhere(shallow: Sandbox) -> None:
    assert reasons(status(shallow))["ann"] == (
        "history ends here before it is known to start from cold/0 (git fetch --unshallow)"
    )
    shallow.git("switch", "-q", "-c", "mine", "origin/cold/0/ann")
    said = refused(shallow, "submit", "--as", "me")
    assert "nobody here knows whether HEAD starts from cold/0: its history ends before" in said
    assert "git fetch --deepen N" in said
    said = refused(shallow, "submit", "--as", "me", "--base", "main~3")
    assert "'main~3' is no commit here" in said and "git fetch --deepen N" in said
    shallow.git("fetch", "-q", "--unshallow")
    assert reasons(status(shallow)) == {"ann": "", "bob": ""}


def test_a_shallow_clone_does_not_say_that_heads_were_left_out(sandbox: Sandbox, tmp_path: Path) -> None:
    begin(sandbox, "no bucket worse")
    close(sandbox, "--no-gate")
    sandbox.git(
        "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{sandbox.root}", str(tmp_path / "shallow")
    )
    said = refused(Sandbox(tmp_path / "shallow"), "status", "--round", "0")
    assert "nobody here knows what was merged into cold/1: history ends at it" in said
