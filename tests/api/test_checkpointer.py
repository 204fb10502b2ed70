"""``git_theta.Checkpointer``: commits behind a training loop's back, in order, whole, and never silently lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

import git_theta
from git_theta.api import checkpointer as module
from git_theta.errors import BranchMoved, UsageError
from git_theta.repository.adding import branch_save
from tests.api.api_repositories import FILE, two_versions
from tests.sandbox import Sandbox

BRANCH = "runs/7"


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    two_versions(sandbox)
    return sandbox


def open_checkpointer(repository: Sandbox, **given: Any) -> git_theta.Checkpointer:
    return git_theta.Checkpointer(FILE, branch=BRANCH, repo=repository.root, **given)


def subjects(repository: Sandbox, revision: str = BRANCH) -> list[str]:
    return repository.git("log", "--format=%s", revision).stdout.splitlines()[::-1]


def weight_at(repository: Sandbox, revision: str) -> float:
    return float(git_theta.load(FILE, revision, repository.root)["weight"][0])


class Gate:
    """Saves that wait until somebody opens it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open, save = Event(), branch_save.save_checkpoint

        def save_later(*given: Any) -> str:
            assert self._open.wait(60)
            return save(*given)

        monkeypatch.setattr(module, "save_checkpoint", save_later)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.open()


def test_every_save_is_a_commit_of_what_the_tensors_were_then(repository: Sandbox) -> None:
    before = repository.git("status", "--porcelain").stdout, repository.git("rev-parse", "HEAD").stdout
    weight = torch.zeros(1000)
    turned = torch.arange(6.0).reshape(2, 3)
    with open_checkpointer(repository) as checkpointer:
        for step in range(5):
            weight += 1
            assert checkpointer.save({"weight": weight, "turned": turned.T, "n": np.array(step)}, f"step {step}")
            weight += 0.25  # the training goes on
            turned += 0
            weight -= 0.25
    assert subjects(repository)[-5:] == [f"step {step}" for step in range(5)]
    assert [weight_at(repository, f"{BRANCH}~{back}") for back in range(5)] == [5, 4, 3, 2, 1]
    assert checkpointer.last_commit is not None
    assert checkpointer.last_commit.hexsha == repository.git("rev-parse", BRANCH).stdout.strip()
    assert (repository.git("status", "--porcelain").stdout, repository.git("rev-parse", "HEAD").stdout) == before
    assert repository.theta("fsck").returncode == 0


def test_the_loop_goes_on_while_a_save_is_stored(repository: Sandbox, gate: Gate) -> None:
    weight = np.zeros(10, np.float32)
    with open_checkpointer(repository) as checkpointer:
        assert checkpointer.save({"weight": weight}, "first")
        weight += 1
        assert checkpointer.save({"weight": weight}, "second")
        weight += 1
        assert not checkpointer.save({"weight": weight}, "third", wait=False)  # two are unfinished
        assert repository.git("branch", "--list", BRANCH).stdout == ""
        gate.open()
        commit = checkpointer.wait()
        assert commit is not None and commit.summary == "second"
        assert checkpointer.save({"weight": weight}, "fourth", wait=False)
    assert subjects(repository)[-3:] == ["first", "second", "fourth"]
    assert [weight_at(repository, f"{BRANCH}~{back}") for back in range(3)] == [2, 1, 0]


def test_a_third_save_waits_for_room(repository: Sandbox) -> None:
    with open_checkpointer(repository) as checkpointer:
        for step in range(6):
            assert checkpointer.save({"weight": np.full(10, step, np.float32)}, f"step {step}")
    assert subjects(repository)[-6:] == [f"step {step}" for step in range(6)]


def test_the_last_few_are_kept_and_nobody_elses_commits_are_dropped(repository: Sandbox) -> None:
    base = repository.git("rev-parse", "HEAD").stdout.strip()
    with open_checkpointer(repository, keep=2) as checkpointer:
        for step in range(5):
            checkpointer.save({"weight": np.full(10, step, np.float32)}, f"step {step}\n\nAt length.")
            if step == 1:
                checkpointer.wait()
                repository.git("tag", "worth-it", BRANCH)
    assert subjects(repository)[-2:] == ["step 3", "step 4"]
    assert repository.git("rev-parse", f"{BRANCH}~2").stdout.strip() == base
    assert [weight_at(repository, name) for name in (BRANCH, f"{BRANCH}~", "worth-it")] == [4, 3, 1]
    written = repository.git("log", "-1", "--format=%an <%ae> %ad", BRANCH).stdout
    assert written == "A. U. Thor <author@example.com> Thu Apr 7 15:13:13 2005 -0700\n"
    assert repository.git("fsck", "--strict", "--no-progress", "--no-dangling").stderr == ""
    text = repository.git("log", "-1", "--format=%B", BRANCH).stdout
    assert text.startswith("step 4\n\nAt length.\n\nTheta-Checkpointer: model.safetensors\n")
    with open_checkpointer(repository, keep=3) as checkpointer:  # the run is resumed
        for step in (5, 6):
            checkpointer.save({"weight": np.full(10, step, np.float32)}, f"step {step}")
    assert subjects(repository)[-4:] == [*subjects(repository, base)[-1:], "step 4", "step 5", "step 6"]
    tree = repository.git("rev-parse", f"{BRANCH}^{{tree}}").stdout.strip()
    theirs = repository.git("commit-tree", "-p", BRANCH, "-m", "by hand", tree).stdout.strip()
    repository.git("update-ref", f"refs/heads/{BRANCH}", theirs)
    with open_checkpointer(repository, keep=1) as checkpointer:
        for step in (7, 8):
            checkpointer.save({"weight": np.full(10, step, np.float32)}, f"step {step}")
    assert subjects(repository)[-5:] == ["step 4", "step 5", "step 6", "by hand", "step 8"]
    assert repository.git("rev-parse", f"{BRANCH}~").stdout.strip() == theirs


def test_a_branch_that_moved_is_told_by_the_next_call(repository: Sandbox) -> None:
    checkpointer = open_checkpointer(repository)
    checkpointer.save({"weight": np.zeros(3, np.float32)}, "first")
    checkpointer.wait()
    git_theta.save({"weight": np.ones(3, np.float32)}, FILE, message="mine", branch=BRANCH, repo=repository.root)
    assert checkpointer.save({"weight": np.zeros(3, np.float32)}, "second")
    with pytest.raises(BranchMoved) as caught:
        checkpointer.wait()
    assert caught.value.__notes__ == ["This was the save 'second' on refs/heads/runs/7."]
    assert checkpointer.save({"weight": np.zeros(3, np.float32)}, "third")
    with pytest.raises(BranchMoved):
        checkpointer.close()
    assert subjects(repository)[-2:] == ["first", "mine"]


def test_a_branch_that_somebody_made_meanwhile_is_not_built_on(repository: Sandbox) -> None:
    checkpointer = open_checkpointer(repository)
    repository.git("branch", BRANCH, "dev")
    checkpointer.save({"weight": np.zeros(3, np.float32)}, "first")
    with pytest.raises(BranchMoved, match="was expected at no commit"):
        checkpointer.close()


def test_the_loops_own_error_stays_with_a_note_of_what_was_not_saved(repository: Sandbox) -> None:
    with pytest.raises(ZeroDivisionError) as caught, open_checkpointer(repository) as checkpointer:
        checkpointer.save({"one": np.zeros(3, np.float32)}, "first")
        checkpointer.wait()
        repository.git("update-ref", "-d", f"refs/heads/{BRANCH}")
        checkpointer.save({"one": np.zeros(3, np.float32)}, "second")
        _ = 1 // 0
    assert "And a checkpoint of it was not saved: the branch 'runs/7' is at no commit" in caught.value.__notes__[0]


def test_what_cannot_be_saved_is_told_at_once(repository: Sandbox) -> None:
    with open_checkpointer(repository) as checkpointer:
        with pytest.raises(UsageError, match="no dense tensor"):
            checkpointer.save({"weight": [1, 2]}, "a list")
        with pytest.raises(UsageError, match="needs a message"):
            checkpointer.save({"weight": np.zeros(2)}, " ")
        for _ in range(3):  # their room was given back
            checkpointer.save({"weight": np.zeros(2)}, "fine")
    with pytest.raises(UsageError, match="closed"):
        checkpointer.save({"weight": np.zeros(2)}, "late")
    checkpointer.close()  # once more does nothing


@pytest.mark.parametrize(
    ("given", "said"),
    [({"keep": 0}, "at least one checkpoint stays"), ({"expect": "nothing"}, "no commit here")],
)
def test_what_cannot_be_is_told_before_training_begins(repository: Sandbox, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_checkpointer(repository, **given)
    with pytest.raises(UsageError, match="is checked out in"):
        git_theta.Checkpointer(FILE, branch="main", repo=repository.root)
    with pytest.raises(BranchMoved):
        git_theta.Checkpointer(FILE, branch="dev", repo=repository.root, expect="main")


_TRAINING = """
import sys, numpy as np, git_theta
checkpointer = git_theta.Checkpointer("model.safetensors", branch="runs/7", keep=3)
for step in range({steps}):
    checkpointer.save({{"weight": np.full(100_000, step, np.float32)}}, f"step {{step}}")
    print(step, flush=True)
{end}
"""


def test_who_is_killed_leaves_whole_commits(repository: Sandbox) -> None:
    command = [sys.executable, "-c", _TRAINING.format(steps=10_000, end="")]
    with subprocess.Popen(command, cwd=repository.root, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout
        for line in training.stdout:
            if int(line) == 6:
                break
        time.sleep(0.05)
        training.send_signal(signal.SIGKILL)
    kept = [subject for subject in subjects(repository) if subject.startswith("step")]
    assert 1 <= len(kept) <= 4
    assert weight_at(repository, BRANCH) == int(kept[-1].removeprefix("step "))
    assert repository.theta("fsck").returncode == 0
    with open_checkpointer(repository, keep=3) as checkpointer:
        checkpointer.save({"weight": np.zeros(3, np.float32)}, "again")
    assert subjects(repository)[-1] == "again"


def test_one_that_nobody_closed_says_what_failed(repository: Sandbox) -> None:
    end = "import subprocess; checkpointer.wait(); subprocess.run(['git', 'branch', '-qf', 'runs/7', 'main'])\n"
    end += "checkpointer.save({'weight': np.zeros(3)}, 'the last')"
    done = repository.run(sys.executable, "-c", _TRAINING.format(steps=1, end=end))
    assert "a checkpoint was not saved: the branch 'runs/7' is at" in done.stderr
    assert "This was the save 'the last'" in done.stderr


def test_memory_is_used_again(repository: Sandbox) -> None:
    from git_theta.api.snapshots import Snapshot

    snapshot = Snapshot()
    first = snapshot.copy({"a": np.zeros(1000, np.float32), "b": np.ones(2)})
    rooms = dict(snapshot._rooms)
    second = snapshot.copy({"a": np.ones(1000, np.float32), "b": torch.zeros(4, 5)})
    assert snapshot._rooms["a"] is rooms["a"]
    assert b"".join(second["a"].blocks()) == np.ones(1000, np.float32).tobytes() == b"".join(first["a"].blocks())
    snapshot.copy({"b": np.ones(2)})
    assert snapshot._rooms.keys() == {"b"}


def test_paths_from_elsewhere_are_those_of_the_folder_that_was_named(repository: Sandbox, tmp_path: Path) -> None:
    (repository.root / "sub").mkdir()
    with git_theta.Checkpointer("../model.safetensors", branch=BRANCH, repo=repository.root / "sub") as checkpointer:
        checkpointer.save({"weight": np.full(3, 7, np.float32)}, "from below")
    assert weight_at(repository, BRANCH) == 7
