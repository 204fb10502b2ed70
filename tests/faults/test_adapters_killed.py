"""kill -9 while an adapter is merged into a checkpoint: nothing is lost, and the same again finishes."""

from __future__ import annotations

import signal
import subprocess

import pytest

from git_theta.manifest.text import is_manifest
from tests.adapters import MODEL, PEFT_ADAPTERS, peft_file, status
from tests.effort import choose_tries
from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION, Stage, kill_at_random
from tests.sandbox import Sandbox, track_and_commit

KILLS = choose_tries(few=1, many=50)
COMMAND = ("add", MODEL, "--update", "low-rank", "--from", str(PEFT_ADAPTERS / "lora"))
BEFORE, AFTER = "base-float32", "lora-float32"
_LOADING = "git_theta.repository.adding.side_loading:"
STAGES = [
    Stage("git_theta.store.local:LocalStore._move_into_place", "after"),
    *(Stage(f"{_LOADING}stage_contents", when) for when in ("before", "after")),
    Stage("git_theta.vcs.index:WorktreeIndex.record_written", "after"),
]


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {MODEL: peft_file(BEFORE)})


def assert_finishes(sandbox: Sandbox) -> None:
    sandbox.remove_locks()
    found = sandbox.read(MODEL)
    assert found in (peft_file(BEFORE), peft_file(AFTER)) or is_manifest(found)
    sandbox.theta("fsck")
    if sandbox.git("diff", "--cached", "--name-only").stdout:  # it had come to where it is staged
        sandbox.theta("checkout")
    else:
        sandbox.theta(*COMMAND)
    assert sandbox.read(MODEL) == peft_file(AFTER)
    assert status(sandbox) == f"M  {MODEL}\n"
    sandbox.git("commit", "-qm", "updated")
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == peft_file(AFTER)


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_killed_at_a_stage(stage: Stage, repository: Sandbox) -> None:
    marker = repository.root.parent / "marker"
    words = ["theta", stage.target, stage.when, str(stage.nth), "kill", str(marker), *COMMAND]
    done = subprocess.run(
        faulty_process.command_words(*words),
        cwd=repository.root, capture_output=True, timeout=CONVERSATION, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_finishes(repository)


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
def test_killed_at_random(repository: Sandbox) -> None:
    for _ in kill_at_random(["git", "theta", *COMMAND], repository.root, KILLS, seconds=4.0):
        assert_finishes(repository)
        repository.git("reset", "--quiet", "--hard", "HEAD~")
