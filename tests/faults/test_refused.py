"""No space left, a read-only store, a disk that fails: said in words, nothing half-stored, and repeating succeeds."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.errors import StoreError
from git_theta.manifest.text import is_manifest
from tests.faults.conftest import Disk
from tests.faults.scenes import (
    MODEL,
    Stage,
    afflicted,
    assert_comes_back,
    assert_holds,
    attempt,
    large,
    leftovers,
    objects,
    small,
    streamed,
)
from tests.sandbox import Sandbox, model

Mount = Callable[[Path, int], Disk]

CLEAN = [
    ("ENOSPC", Stage("git_theta.store.local:_write", "before")),
    ("ENOSPC", Stage("git_theta.store.local:_write", "after", 3)),
    ("EIO", Stage("os:fsync", "before")),
    ("EROFS", Stage("git_theta.store.local:LocalStore._adopt", "before")),
    ("EIO", Stage("git_theta.store.local:LocalStore._adopt", "after", 2)),
    ("EIO", Stage("git_theta.store.local:_fsync_directory", "before", 2)),
]
STATE = [
    ("EROFS", Stage("git_theta.operations.state:State._open", "before")),
    ("ENOSPC", Stage("git_theta.operations.state:_connected", "before")),
]
DEFERRED = [
    ("ENOSPC", Stage("git_theta.operations.materialise:_write", "before")),
    ("EDQUOT", Stage("git_theta.operations.materialise:_write", "after", 3)),
    ("EIO", Stage("pathlib:Path.rename", "before")),
]
TELLING_GIT = [
    ("ENOSPC", Stage("git_theta.operations.deferred:Deferred._refreshed", "before")),
    ("EIO", Stage("git_theta.vcs.index:distrust", "before")),
    ("EIO", Stage("git_theta.cli.filter_process:refresh", "before")),
]


def named(case: tuple[str, Stage]) -> str:
    return f"{case[0]}-{case[1]}"


@pytest.mark.parametrize("case", CLEAN, ids=named)
def test_add_refused(case: tuple[str, Stage], empty: Sandbox) -> None:
    empty.write(MODEL, streamed())
    done = afflicted(empty, case[1], case[0], "add", MODEL)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: " in done.stderr
    assert os.strerror(getattr(errno, case[0])) in done.stderr
    assert leftovers(empty) == []
    assert empty.git("status", "--porcelain").stdout == f"?? {MODEL}\n"
    empty.git("add", MODEL)
    assert_comes_back(empty, streamed())


@pytest.mark.parametrize("case", STATE, ids=named)
def test_add_does_without_its_memory(case: tuple[str, Stage], empty: Sandbox) -> None:
    empty.write(MODEL, streamed())
    assert afflicted(empty, case[1], case[0], "add", MODEL).returncode == 0
    assert_comes_back(empty, streamed())


@pytest.mark.parametrize("case", DEFERRED, ids=named)
def test_deferred_write_refused(case: tuple[str, Stage], with_large: Sandbox) -> None:
    done = afflicted(with_large, case[1], case[0], "checkout", "v0")
    assert f"theta: error: {MODEL}: " in done.stderr
    assert os.strerror(getattr(errno, case[0])) in done.stderr
    assert "git theta checkout" in done.stderr
    assert is_manifest(with_large.read(MODEL))
    assert leftovers(with_large) == []
    assert with_large.git("status", "--porcelain").stdout == ""
    with_large.theta("checkout")
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("case", TELLING_GIT, ids=named)
def test_git_is_told_later(case: tuple[str, Stage], with_large: Sandbox) -> None:
    done = afflicted(with_large, case[1], case[0], "checkout", "v0")
    assert "the index is not up to date" in done.stderr
    assert_holds(with_large, large(0))


def test_a_locked_index(with_large: Sandbox) -> None:
    (with_large.root / MODEL).write_bytes(with_large.git("show", f":{MODEL}").stdout.encode())
    lock = with_large.root / ".git/index.lock"
    lock.touch()
    done = attempt(with_large, "theta", "checkout")
    assert "index.lock" in done.stderr
    assert with_large.read(MODEL) == large(1)
    lock.unlink()
    with_large.git("add", MODEL)
    assert_holds(with_large, large(1))


def test_no_space_in_the_store(empty: Sandbox, mounted: Mount) -> None:
    disk = mounted(empty.root / ".git/theta", 6)
    empty.write(MODEL, streamed())
    done = attempt(empty, "add", MODEL)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: cannot write to the store" in done.stderr
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert leftovers(empty) == []
    assert empty.git("status", "--porcelain").stdout == f"?? {MODEL}\n"
    disk.remount("size=64m")
    empty.git("add", MODEL)
    assert_comes_back(empty, streamed())
    empty.theta("fsck")


def test_no_space_for_bundles(empty: Sandbox, mounted: Mount) -> None:
    disk = mounted(empty.root / ".git/theta", 2)
    checkpoint = model(4, **{f"layer.{number}": (120, 128) for number in range(60)})
    empty.write(MODEL, checkpoint)
    done = attempt(empty, "add", MODEL)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: cannot write to the store" in done.stderr
    assert objects(empty) == leftovers(empty) == []
    disk.remount("size=64m")
    empty.git("add", MODEL)
    assert_comes_back(empty, checkpoint)


def test_no_space_in_the_worktree_is_found_while_git_can_fail(
    with_large: Sandbox, tmp_path: Path, mounted: Mount
) -> None:
    with_large.root.joinpath(".git").rename(tmp_path / "repository.git")
    disk = mounted(tmp_path / "worktree", 4)
    sandbox = Sandbox(disk.folder)
    sandbox.write(".git", b"gitdir: %s\n" % os.fsencode(tmp_path / "repository.git"))
    sandbox.git("checkout", "--quiet", "--force", "v0~1")
    done = attempt(sandbox, "checkout", "v0")
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: {len(large(0)):,} bytes to check out" in done.stderr
    assert not (sandbox.root / MODEL).exists()
    assert sandbox.git("status", "--porcelain").stdout == ""
    disk.remount("size=64m")
    sandbox.git("checkout", "--quiet", "v0")
    assert_holds(sandbox, large(0))


@pytest.fixture
def read_only(mounted: Mount) -> Callable[[Sandbox], Disk]:
    """Makes the store of a repository one that cannot be written."""

    def freeze(sandbox: Sandbox) -> Disk:
        theta = sandbox.root / ".git/theta"
        theta.rename(sandbox.root.parent / "theta")
        disk = mounted(theta, 64)
        shutil.copytree(sandbox.root.parent / "theta", theta, dirs_exist_ok=True)
        disk.remount("ro")
        return disk

    return freeze


def test_adding_to_a_read_only_store(with_small: Sandbox, read_only: Callable[[Sandbox], Disk]) -> None:
    disk = read_only(with_small)
    with_small.write(MODEL, streamed())
    done = attempt(with_small, "add", MODEL)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: cannot write to the store" in done.stderr
    assert os.strerror(errno.EROFS) in done.stderr
    assert with_small.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    disk.remount("rw")
    with_small.git("add", MODEL)
    assert_comes_back(with_small, streamed())


def test_a_first_add_without_a_place_for_a_store(empty: Sandbox, mounted: Mount) -> None:
    disk = mounted(empty.root / ".git/theta", 64)
    disk.remount("ro")
    empty.write(MODEL, small())
    done = attempt(empty, "add", MODEL)
    assert done.returncode == 128
    assert f"theta: error: {MODEL}: cannot write to the store" in done.stderr
    assert os.strerror(errno.EROFS) in done.stderr
    assert StoreError.__name__ not in done.stderr


def test_a_small_checkout_from_a_read_only_store(with_small: Sandbox, read_only: Callable[[Sandbox], Disk]) -> None:
    read_only(with_small)
    assert attempt(with_small, "checkout", "--quiet", "v0").stderr == ""
    assert_holds(with_small, small(0))


def test_a_large_checkout_from_a_read_only_store(with_large: Sandbox, read_only: Callable[[Sandbox], Disk]) -> None:
    read_only(with_large)
    assert attempt(with_large, "checkout", "--quiet", "v0").stderr == ""
    assert_holds(with_large, large(0))


def test_looking_into_a_read_only_store(with_small: Sandbox, read_only: Callable[[Sandbox], Disk]) -> None:
    read_only(with_small)
    with_small.theta("fsck")
    with_small.theta("status")
    os.utime(with_small.root / MODEL)
    assert_holds(with_small, small(1))
    with_small.git("add", "--renormalize", MODEL)
    assert_holds(with_small, small(1))
