"""L5, L7: kill -9 at any moment of ``git theta gc``. Nothing that is needed is lost, and a rerun finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from git_theta.store.local import LocalStore
from tests.effort import choose_tries
from tests.faults import faulty_process
from tests.faults.harness import MODEL, objects
from tests.sandbox import Sandbox, changed, model, track_and_commit

pytestmark = pytest.mark.genuine  # a group of processes is killed: all of it dies at once

KILLS = choose_tries(few=3, many=100)
GARBAGE = 300
FIRST = model(3, weight=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")
LOCAL = "git_theta.store.local:LocalStore"
STATE = "git_theta.operations.state_database:StateDatabase"
OLD = 100 * 24 * 3600


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """A version that is needed, one that is not and is remembered, and many objects that nobody knows; all old."""
    track_and_commit(sandbox, {MODEL: FIRST})
    litter(sandbox)
    return sandbox


def litter(sandbox: Sandbox) -> None:
    sandbox.write(MODEL, SECOND)
    sandbox.git("add", MODEL)
    sandbox.git("reset", "-q", "--hard")
    (sandbox.root / ".git/ORIG_HEAD").unlink(missing_ok=True)
    store = LocalStore(sandbox.root / ".git/theta")
    for number in range(GARBAGE):
        store.put([b"garbage %d" % number])
    for file in objects(sandbox):
        os.utime(file, (time.time() - OLD,) * 2)


def assert_nothing_is_lost(sandbox: Sandbox) -> None:
    assert sandbox.theta("fsck").returncode == 0
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == FIRST


def assert_rerun_finishes(sandbox: Sandbox) -> None:
    """And what was deleted comes back when it is added, whatever is remembered of it."""
    sandbox.theta("gc")
    assert len(objects(sandbox)) == 2
    sandbox.write(MODEL, SECOND)
    sandbox.git("add", MODEL)
    assert sandbox.theta("fsck").returncode == 0
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == SECOND
    sandbox.git("reset", "-q", "--hard")


@pytest.mark.parametrize(
    ("target", "when", "nth"),
    [
        (f"{STATE}.forget_objects", "before", 1), (f"{STATE}.forget_objects", "after", 1),
        (f"{LOCAL}.delete", "before", 1), (f"{LOCAL}.delete", "after", 1), (f"{LOCAL}.delete", "after", GARBAGE // 2),
    ],
)  # fmt: skip
def test_killed_at_a_stage(repository: Sandbox, tmp_path: Path, target: str, when: str, nth: int) -> None:
    marker = tmp_path / "marker"
    words = ["theta", target, when, str(nth), "kill", str(marker), "gc"]
    done = subprocess.run(faulty_process.command_words(*words), cwd=repository.root, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert marker.exists()
    assert_nothing_is_lost(repository)
    assert_rerun_finishes(repository)


def test_killed_at_random(repository: Sandbox) -> None:
    started = time.monotonic()
    repository.git("theta", "gc")
    seconds = time.monotonic() - started
    landed = 0
    for _ in range(10 * KILLS):
        litter(repository)
        process = subprocess.Popen(
            ["git", "theta", "gc"], cwd=repository.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        started = time.monotonic()
        try:
            process.wait(random.uniform(seconds / 3, seconds))
            seconds = time.monotonic() - started  # the machine has less to do by now
        except subprocess.TimeoutExpired:
            landed += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert_nothing_is_lost(repository)
        assert_rerun_finishes(repository)
        if landed == KILLS:
            return
    raise AssertionError(f"{landed} kills landed in {seconds:.3f} s")
