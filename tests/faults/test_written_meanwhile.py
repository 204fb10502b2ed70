"""A deferred file that somebody else writes before Git's index is told of ours is theirs, and Git is not told else."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION, MODEL, Stage, assert_holds, large
from tests.sandbox import Sandbox, changed

THEIRS = changed(large(0), "layer.bias", at=8)
STAGES = [
    Stage("git_theta.operations.restoring.deferred:materialise_file", "after"),
    Stage("git_theta.vcs.index:WorktreeIndex.record_written", "before"),
    Stage("git_theta.vcs.index:patch_index", "after"),
]


def in_place(file: Path) -> None:
    file.write_bytes(THEIRS)


def by_renaming(file: Path) -> None:
    other = file.with_name("other")
    in_place(other)
    described = file.stat()
    os.utime(other, ns=(described.st_atime_ns, described.st_mtime_ns))
    other.rename(file)


@pytest.mark.parametrize("stage", STAGES, ids=str)
@pytest.mark.parametrize("write", [in_place, by_renaming])
def test_what_somebody_wrote_is_a_change(write: Callable[[Path], None], stage: Stage, with_large: Sandbox) -> None:
    with paused(with_large, stage, "checkout", "--quiet", "v0"):
        assert with_large.read(MODEL) == large(0)
        write(with_large.root / MODEL)
    assert with_large.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    with_large.git("commit", "--quiet", "--all", "-m", "theirs")
    assert_holds(with_large, THEIRS)


def test_what_somebody_wrote_in_the_place_of_the_manifest_is_kept(with_large: Sandbox) -> None:
    stage = Stage("git_theta.operations.restoring.deferred:DeferredFiles.write", "before")
    with paused(with_large, stage, "checkout", "--quiet", "v0"):
        assert is_manifest(with_large.read(MODEL))
        in_place(with_large.root / MODEL)
    assert with_large.read(MODEL) == THEIRS
    assert with_large.git("status", "--porcelain").stdout == f" M {MODEL}\n"


def test_git_reads_no_file_that_we_wrote(with_large: Sandbox) -> None:
    traced = with_large.git("checkout", "--quiet", "v0", env={"GIT_TRACE": "1"})
    assert traced.stderr.count("filter_process") == 1
    assert "filter_process" not in with_large.git("status", env={"GIT_TRACE": "1"}).stderr
    assert_holds(with_large, large(0))


@contextlib.contextmanager
def paused(sandbox: Sandbox, stage: Stage, *args: str) -> Iterator[None]:
    """``git ARGS``, which ends well, while our process stands at a stage."""
    marker = sandbox.root.parent / "marker"
    process = faulty_process.command("fault", stage.target, stage.when, str(stage.nth), "pause", marker)
    with subprocess.Popen(
        ["git", "-c", f"filter.theta.process={process}", *args], cwd=sandbox.root, stdin=subprocess.DEVNULL
    ) as git:
        try:
            faulty_process.wait_for(marker, CONVERSATION)
            yield
        finally:
            marker.unlink(missing_ok=True)
        assert git.wait(CONVERSATION) == 0
