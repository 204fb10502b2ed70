"""kill -9 while a version is stored on the one before, or repacked: a rerun finishes, and nothing is lost."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.chained_versions import MODEL, commit_versions, depth_at, version
from tests.effort import choose_tries
from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION, Stage, kill_at_random
from tests.sandbox import Sandbox

KILLS = choose_tries(few=2, many=50)
_ADDING = "git_theta.operations.adding."
_STATE = "git_theta.operations.state_database:StateDatabase."
_REPACKING = "git_theta.repository.adding.repacking:"
_INDEX = "git_theta.vcs.index:"

ADD = [
    Stage(f"{_ADDING}update_bases:UpdateBases.find_base", "after"),
    *(Stage(f"{_ADDING}encoding:put_encoding", when, 2) for when in ("before", "after")),
    *(Stage(f"{_ADDING}bundle:Bundle.put", when) for when in ("before", "after")),
    *(Stage(f"{_STATE}remember_storages", when) for when in ("before", "after")),
]
REPACK = [
    Stage(f"{_REPACKING}choose_repacks", "after"),
    *(Stage("git_theta.store.local:LocalStore._move_into_place", when) for when in ("before", "after")),
    *(Stage(f"{_REPACKING}repack_manifest", when) for when in ("before", "after")),
    *(Stage(f"{_REPACKING}stage_content", when) for when in ("before", "after")),
    *(Stage(f"{_INDEX}WorktreeIndex.record_written", when) for when in ("before", "after")),
    Stage(f"{_INDEX}patch_index", "after"),
]


def faulty(python: Path, mode: str, stage: Stage, marker: Path, *args: str) -> list[str]:
    """The command of a process of ours that is killed at a stage."""
    words = [mode, stage.target, stage.when, str(stage.nth), "kill", str(marker), *args]
    return faulty_process.command_words(*words, python=python)


@pytest.mark.parametrize("stage", ADD, ids=str)
def test_an_add_on_a_base_killed(stage: Stage, chaining: Sandbox, chaining_interpreter: Path) -> None:
    versions = commit_versions(chaining, 2)
    marker = chaining.root.parent / "marker"
    process = shlex.join(faulty(chaining_interpreter, "fault", stage, marker))
    chaining.write(MODEL, version(2))
    assert chaining.git("-c", f"filter.theta.process={process}", "add", MODEL, check=False).returncode != 0
    assert marker.exists(), "the stage was never reached"
    assert chaining.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    chaining.theta("fsck")
    versions.append(version(2))
    chaining.commit("added after all")
    assert depth_at(chaining) == 2
    for back, content in enumerate(versions[::-1]):
        chaining.git("checkout", "--quiet", f"main~{back}")
        assert chaining.read(MODEL) == content


WAYS = pytest.mark.parametrize("way", [[], ["--dense"]], ids=["chained", "dense"])


def commit_to_repack(chaining: Sandbox, way: list[str]) -> list[bytes]:
    """Two versions, of which a repack stores the later one otherwise."""
    chaining.git("config", "theta.updates", "difference" if way else "dense")
    versions = commit_versions(chaining, 2)
    chaining.git("config", "--unset", "theta.updates")
    return versions


@WAYS
@pytest.mark.parametrize("stage", REPACK, ids=str)
def test_a_repack_killed(stage: Stage, way: list[str], chaining: Sandbox, chaining_interpreter: Path) -> None:
    versions = commit_to_repack(chaining, way)
    marker = chaining.root.parent / "marker"
    command = faulty(chaining_interpreter, "theta", stage, marker, "repack", *way)
    done = subprocess.run(command, cwd=chaining.root, capture_output=True, timeout=CONVERSATION, check=False)
    assert done.returncode != 0
    assert marker.exists(), f"the stage was never reached: {done.stderr.decode()}"
    assert_repacks(chaining, way, versions)


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
@WAYS
def test_a_repack_killed_at_random(way: list[str], chaining: Sandbox) -> None:
    """Again and again in one repository: what one has left is in nobody's way."""
    versions = commit_to_repack(chaining, way)
    for _ in kill_at_random(["git", "theta", "repack", *way], chaining.root, KILLS, seconds=1.0):
        chaining.remove_locks()
        assert_repacks(chaining, way, versions)
        chaining.git("reset", "--quiet", "--hard", "v1")


def assert_repacks(chaining: Sandbox, way: list[str], versions: list[bytes]) -> None:
    """Nothing is lost, and a repack comes to its end."""
    assert chaining.read(MODEL) == versions[1]
    assert chaining.git("diff", "--name-only").stdout == ""
    chaining.theta("fsck")
    chaining.theta("repack", *way)
    assert depth_at(chaining) == (0 if way else 1)
    chaining.commit("repacked after all")
    for back, content in ((0, versions[1]), (1, versions[1]), (2, versions[0])):
        chaining.git("checkout", "--quiet", f"main~{back}")
        assert chaining.read(MODEL) == content
    chaining.git("checkout", "--quiet", "main")
