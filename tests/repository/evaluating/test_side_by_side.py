"""``git theta eval -j N``: several versions at a time, and all that comes of it as one after another."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.test_running import await_end
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox, model, track_and_commit

FILE = "model.safetensors"
SCORES = """\
def score(path):
    last = pathlib.Path(path).read_bytes()[-1]
    (log / f"{os.getpid()}-{last}").touch()
    await_others()
    if last == int(os.environ.get("BAD", "-1")):
        raise SystemExit(3)
    time.sleep(0.3 * (4 - last) / 4)
    for number in range(50):
        print(json.dumps({"id": f"q{number}", "score": (number * last) % 7}))
"""
AWAIT = """\
import json, os, pathlib, sys, time

log = pathlib.Path(os.environ["LOG"])

def await_others():
    begun = time.monotonic()
    while len({file.name.partition("-")[0] for file in log.iterdir()}) < int(os.environ.get("TOGETHER", "0")):
        assert time.monotonic() - begun < 60
        time.sleep(0.02)

"""
"""Where it is said how many are TOGETHER, none ends before so many processes have begun."""
COMMAND = f'{AWAIT}{SCORES}\nscore(os.environ["THETA_CHECKPOINT"])\n'
SERVER = f"""\
{AWAIT}{SCORES}
for line in sys.stdin:
    score(line.rstrip())
    print(json.dumps({{"done": True}}), flush=True)
"""


@pytest.fixture
def tuned(sandbox: Sandbox) -> Sandbox:
    """Five commits, the last of which has the contents of the second."""
    track_and_commit(sandbox, {FILE: model()[:-1] + b"\0"})
    for last in (1, 2, 3, 1):
        sandbox.write(FILE, model()[:-1] + bytes([last]))
        sandbox.commit(f"tune {last}")
    return sandbox


def define(sandbox: Sandbox, text: str, *, serves: bool = False) -> Path:
    """An evaluation; returns the folder in which it says who was asked for what."""
    place = sandbox.root.parent
    (place / "evaluate.py").write_text(text)
    (place / "log").mkdir(exist_ok=True)
    sandbox.git("config", "theta.eval.mine.command", shlex.join([sys.executable, str(place / "evaluate.py")]))
    sandbox.git("config", "theta.eval.mine.server", str(serves).lower())
    return place / "log"


def evaluate(sandbox: Sandbox, *arguments: str, code: int = 0, **env: str) -> Any:
    log = str(sandbox.root.parent / "log")
    done = sandbox.theta("eval", *arguments, check=False, env={"LOG": log, **env})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def without_clock(text: str) -> Any:
    """What is the same whenever it is said."""
    found = json.loads(text)["evaluations"]
    return [{key: value for key, value in one.items() if key not in ("seconds", "when")} for one in found]


def kept_lines(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What is kept, without the clock."""
    notes = [line.split()[0] for line in sandbox.git("notes", "--ref=theta/eval", "list").stdout.splitlines()]
    lines = [json.loads(line) for note in notes for line in sandbox.git("cat-file", "-p", note).stdout.splitlines()]
    return [line | {"seconds": 0, "when": 0} for line in lines]


@pytest.mark.parametrize("serves", [False, True], ids=["command", "server"])
def test_what_is_found_and_kept_is_that_of_one_after_another(tuned: Sandbox, *, serves: bool) -> None:
    log = define(tuned, SERVER if serves else COMMAND, serves=serves)
    versions = ("HEAD~4", "HEAD~3", "HEAD~2", "HEAD~1", "HEAD")
    one_by_one = evaluate(tuned, "--json", *versions).stdout
    kept = kept_lines(tuned)
    asked = sorted(file.name.partition("-")[2] for file in log.iterdir())
    assert asked == ["0", "1", "2", "3"]
    evaluate(tuned, "--forget", "mine")
    for file in log.iterdir():
        file.unlink()
    found = evaluate(tuned, "-j", "3", "--json", *versions, TOGETHER="3")
    assert without_clock(found.stdout) == without_clock(one_by_one)
    assert [one["known"] for one in json.loads(found.stdout)["evaluations"]] == [False] * 4 + [True]
    assert kept_lines(tuned) == kept
    assert sorted(file.name.partition("-")[2] for file in log.iterdir()) == asked
    processes = {file.name.partition("-")[0] for file in log.iterdir()}
    assert len(processes) == (3 if serves else 4)
    assert list((tuned.root / ".git/theta/tmp").iterdir()) == []


GOOD = 'print(json.dumps({"id": "q", "score": 1}))\n'


def test_an_evaluator_knows_which_of_several_it_is(tuned: Sandbox) -> None:
    define(tuned, f"{AWAIT}(log / os.environ.get('THETA_EVAL_WORKER', 'alone')).touch()\nawait_others()\n{GOOD}")
    evaluate(tuned, "-j", "2", "HEAD~1", "HEAD", TOGETHER="2")
    evaluate(tuned, "HEAD~2")
    assert sorted(file.name for file in (tuned.root.parent / "log").iterdir()) == ["0", "1", "alone"]


def test_the_first_that_fails_in_the_order_of_versions_is_told(tuned: Sandbox) -> None:
    define(tuned, COMMAND)
    failed = evaluate(tuned, "-j", "4", "HEAD~4", "HEAD~3", "HEAD~2", "HEAD~1", code=13, BAD="2")
    assert f"HEAD~2:{FILE}: the evaluator mine exited 3" in failed.stderr
    assert [line.split()[1] for line in failed.stdout.splitlines()] == [f"HEAD~4:{FILE}", f"HEAD~3:{FILE}"]
    assert len(kept_lines(tuned)) == 2
    assert list((tuned.root / ".git/theta/tmp").iterdir()) == []


def test_everything_is_rerun_that_was_asked_for(tuned: Sandbox) -> None:
    log = define(tuned, COMMAND)
    for _ in range(2):
        evaluate(tuned, "-j", "2", "--rerun", "HEAD~3", "HEAD")
    assert len(list(log.iterdir())) == 4


@pytest.mark.genuine
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("serves", [False, True], ids=["command", "server"])
def test_ctrl_c_ends_all_of_them(tuned: Sandbox, *, serves: bool) -> None:
    hang = f"{AWAIT}(log / str(os.getpid())).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    log = define(tuned, hang, serves=serves)
    process = subprocess.Popen(
        [sys.executable, "-m", "git_theta", "eval", "-j", "3", "HEAD~4..HEAD"],
        cwd=tuned.root, env={**os.environ, "LOG": str(log)}, start_new_session=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    while len([file for file in log.iterdir() if file.read_text()]) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in said
    for file in log.iterdir():
        await_end(file)
    assert list((tuned.root / ".git/theta/tmp").iterdir()) == []


LONE = """\
import threading

from git_theta.evaluation.base import Evaluator, ItemScore


class Lone(Evaluator):
    name = "lone"
    takes_command = False

    def run(self, checkpoint, items=None):
        yield ItemScore("q", float(threading.current_thread() is threading.main_thread()))
"""


def test_an_evaluator_that_takes_one_at_a_time_gets_one(tuned: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "lone_evaluator.py").write_text(LONE)
    python = make_interpreter(
        tmp_path / "with_plugin",
        "lone_evaluator",
        str(tmp_path / "lone_evaluator.py"),
        "[git_theta.plugins.evaluators]\nlone = lone_evaluator:Lone\n",
    )
    tuned.git("config", "theta.eval.mine.evaluator", "lone")
    command = [str(python), "-m", "git_theta", "eval", "-j", "3", "--json", "HEAD~1", "HEAD"]
    done = subprocess.run(command, cwd=tuned.root, capture_output=True, text=True, check=True)
    assert [one["mean"] for one in json.loads(done.stdout)["evaluations"]] == [1, 1]
    assert "mine: the evaluator takes one version at a time" in done.stderr


@pytest.mark.parametrize("action", ["--compare", "--gate"])
def test_comparisons_take_no_jobs(tuned: Sandbox, action: str) -> None:
    sides = ["HEAD~1", "HEAD"] if action == "--compare" else ["HEAD~1..HEAD"]
    assert f"{action} and -j exclude each other" in evaluate(tuned, action, *sides, "-j", "2", code=2).stderr
