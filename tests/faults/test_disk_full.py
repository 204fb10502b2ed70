"""A disk that fills up in a merge, or between files of a checkout: nothing is lost or half, and room mends it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from git_theta.errors import StoreError
from git_theta.manifest.text import is_manifest
from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from tests.faults import faulty_process
from tests.faults.conftest import Disk
from tests.faults.harness import (
    CONVERSATION,
    MODEL,
    Stage,
    assert_comes_back,
    assert_decent,
    attempt,
    large,
    leftovers,
)
from tests.sandbox import Sandbox, changed, model
from tests.two_branches import fork, tensor

Mount = Callable[[Path, int], Disk]
ROOM = 64
"""Megabytes, which are enough for anything here."""
SHARDS = [f"shard-{number}.safetensors" for number in range(3)]


def shaken(seed: int) -> bytes:
    """A model of 6 MB in which one parameter is another for each seed."""
    noise = np.random.default_rng(seed).standard_normal(12_000 * 128, dtype=np.float32)
    sizes: dict[str, int | tuple[int, ...]] = {"embed.weight": (12_000, 128), "layer.bias": 64}
    return changed(model(1, **sizes), "embed.weight", noise.tobytes())


def used_bytes(folder: Path) -> int:
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))


@pytest.fixture
def contested(sandbox: Sandbox) -> Sandbox:
    """Two branches that trained a parameter of 6 MB."""
    return fork(sandbox, {MODEL: shaken(0)}, {MODEL: shaken(1)}, {MODEL: shaken(2)})


@pytest.mark.parametrize("command", [("theta", "merge", "side", "-s", "average"), ("merge", "side")], ids=" ".join)
def test_no_space_in_the_store_for_a_merge(command: tuple[str, ...], contested: Sandbox, mounted: Mount) -> None:
    contested.git("config", "theta.merge.strategy", "average")
    theta = contested.root / ".git/theta"
    theta.rename(contested.root.parent / "theta")
    disk = mounted(theta, ROOM)
    shutil.copytree(contested.root.parent / "theta", theta, dirs_exist_ok=True)
    disk.remount(f"size={used_bytes(theta) + (2 << 20)}")
    head = contested.git("rev-parse", "HEAD").stdout
    done = attempt(contested, *command)
    assert done.returncode != 0
    assert "cannot write to the store" in done.stderr
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert contested.read(MODEL) == shaken(1)
    assert leftovers(contested) == []
    if command[0] == "merge":
        contested.git("merge", "--abort")
    assert contested.git("rev-parse", "HEAD").stdout == head
    assert contested.git("status", "--porcelain").stdout == ""
    disk.remount(f"size={ROOM}m")
    assert attempt(contested, *command).returncode == 0
    merged = contested.read(MODEL)
    sides = [np.frombuffer(tensor(shaken(seed), "embed.weight"), "<f4") for seed in (1, 2)]
    assert np.allclose(np.frombuffer(tensor(merged, "embed.weight"), "<f4"), sum(sides) / 2)
    assert_comes_back(contested, merged)
    contested.theta("fsck")


def moved_onto(disk: Disk, sandbox: Sandbox, revision: str) -> Sandbox:
    """The same repository with another worktree, at a revision, while ``.git`` stays where there is room."""
    repository = sandbox.root.parent / "repository.git"
    shutil.copytree(sandbox.root / ".git", repository, symlinks=True)
    moved = Sandbox(disk.folder)
    moved.write(".git", b"gitdir: %s\n" % os.fsencode(repository))
    moved.git("reset", "--quiet", "--hard", revision)
    return moved


@pytest.fixture
def with_shards(sandbox: Sandbox, mounted: Mount, tmp_path: Path) -> tuple[Sandbox, Disk]:
    """``side`` brings three large files, ``main`` has a small one; a worktree on a disk of its own is at ``main``."""
    theirs = {name: large(number) for number, name in enumerate(SHARDS)}
    fork(sandbox, {MODEL: model()}, {MODEL: changed(model(), "layer.bias")}, {**theirs, "note.txt": b"a note"})
    disk = mounted(tmp_path / "worktree", ROOM)
    return moved_onto(disk, sandbox, "main"), disk


def assert_all_there(sandbox: Sandbox) -> None:
    for number, name in enumerate(SHARDS):
        assert sandbox.read(name) == large(number)
    assert sandbox.read("note.txt") == b"a note"
    assert sandbox.git("status", "--porcelain").stdout == ""


def test_no_space_in_the_worktree_for_a_merge(with_shards: tuple[Sandbox, Disk]) -> None:
    sandbox, disk = with_shards
    disk.remount(f"size={2 * DEFERRED_SIZE}")
    head = sandbox.git("rev-parse", "HEAD").stdout
    done = attempt(sandbox, "theta", "merge", "side")
    assert done.returncode == StoreError.exit_code
    assert "bytes to check out" in done.stderr and "nothing was written" in done.stderr and "hint: " in done.stderr
    assert sandbox.git("rev-parse", "HEAD").stdout == head
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert sorted(file.name for file in sandbox.root.iterdir()) == [".git", ".gitattributes", MODEL]
    disk.remount(f"size={ROOM}m")
    sandbox.theta("merge", "side")
    assert_all_there(sandbox)


@pytest.mark.parametrize("command", [("checkout", "--quiet", "side"), ("theta", "merge", "side")], ids=" ".join)
def test_a_disk_that_somebody_else_fills_between_two_files(
    command: tuple[str, ...], with_shards: tuple[Sandbox, Disk]
) -> None:
    """What was written by then is whole, what was not is a manifest, and Git takes both for what they are."""
    sandbox, disk = with_shards
    said = while_stopped(sandbox, command, lambda: fill(disk, but_for=DEFERRED_SIZE // 2))
    assert "theta: error: " in said and os.strerror(errno.ENOSPC) in said
    assert "still manifests: " in said and "git theta checkout" in said
    found = {name: sandbox.read(name) for name in SHARDS}
    assert found[SHARDS[0]] == large(0)
    assert all(is_manifest(found[name]) for name in SHARDS[1:])
    assert sandbox.git("status", "--porcelain", "--untracked-files=no").stdout == ""
    assert not [file for file in sandbox.root.iterdir() if file.name.startswith(".theta-")]
    assert "manifest" in sandbox.theta("status").stdout
    done = attempt(sandbox, "theta", "checkout")
    assert done.returncode == StoreError.exit_code
    assert all(is_manifest(sandbox.read(name)) for name in SHARDS[1:])
    (disk.folder / "filler").unlink()
    sandbox.theta("checkout")
    assert_all_there(sandbox)


def fill(disk: Disk, but_for: int) -> None:
    """Leave no more than some bytes of the disk."""
    described = os.statvfs(disk.folder)
    (disk.folder / "filler").write_bytes(bytes(described.f_bavail * described.f_frsize - but_for))


def while_stopped(sandbox: Sandbox, command: tuple[str, ...], meanwhile: Callable[[], None]) -> str:
    """``git ARGS``, which goes on when ``meanwhile`` is through: after its first deferred file. What it said."""
    marker = sandbox.root.parent / "marker"
    stage = Stage("git_theta.operations.restoring.deferred:materialise_file", "after")
    process = faulty_process.command("fault", stage.target, stage.when, str(stage.nth), "pause", marker)
    with subprocess.Popen(
        ["git", "-c", f"filter.theta.process={process}", *command],
        cwd=sandbox.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as git:
        try:
            faulty_process.wait_for(marker, CONVERSATION)
            meanwhile()
        finally:
            marker.unlink(missing_ok=True)
        _, said = git.communicate(timeout=CONVERSATION)
    assert_decent(said)
    return said
