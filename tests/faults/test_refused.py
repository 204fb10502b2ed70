"""No space left, a read-only store, a disk that fails: said in words, nothing half-stored, and repeating succeeds."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.errors import StoreError
from git_theta.manifest.text import is_manifest
from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from git_theta.store.local import LocalStore
from tests.faults.conftest import Disk
from tests.faults.harness import (
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
    ("ENOSPC", Stage("git_theta.store.local:write_chunk", "before")),
    ("ENOSPC", Stage("git_theta.store.local:write_chunk", "after", 3)),
    ("EIO", Stage("os:fsync", "before")),
    ("EROFS", Stage("git_theta.store.local:LocalStore._move_into_place", "before")),
    ("EIO", Stage("git_theta.store.local:LocalStore._move_into_place", "after", 2)),
    ("EIO", Stage("git_theta.store.local:fsync_directory", "before", 2)),
]
STATE = [
    ("EROFS", Stage("git_theta.operations.state_database:StateDatabase._open", "before")),
    ("ENOSPC", Stage("git_theta.operations.state_database:_connect", "before")),
]
DEFERRED = [
    ("ENOSPC", Stage("git_theta.operations.restoring.materialise:_write_all", "before")),
    ("EDQUOT", Stage("git_theta.operations.restoring.materialise:_write_all", "after", 3)),
    ("EIO", Stage("pathlib:Path.rename", "before")),
]
TELLING_GIT = [
    ("EIO", Stage("git_theta.vcs.index:WorktreeIndex.invalidate_entries", "before")),
    ("EIO", Stage("git_theta.vcs.index:WorktreeIndex.record_written", "before")),
    ("ENOSPC", Stage("git_theta.vcs.index:_write_all", "before")),
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
def sharded(empty: Sandbox, mounted: Mount, tmp_path: Path) -> tuple[Sandbox, Disk]:
    """A worktree with room for any one shard of three, and an empty commit checked out; the shards are ``v0``."""
    start = empty.git("rev-parse", "HEAD").stdout.strip()
    for number in range(3):
        empty.write(f"shard-{number}.safetensors", large(number))
    empty.write("config.json", b"{}\n")
    empty.commit("three shards")
    empty.git("tag", "v0")
    disk = mounted(tmp_path / "worktree", 20)
    sandbox = Sandbox(disk.folder)
    shutil.copytree(empty.root / ".git", tmp_path / "repository.git", symlinks=True)
    sandbox.write(".git", b"gitdir: %s\n" % os.fsencode(tmp_path / "repository.git"))
    sandbox.git("checkout", "--quiet", "--force", start)
    return sandbox, disk


def assert_waiting(sandbox: Sandbox, said: str) -> None:
    """No shard was written, and it was said why, and what helps."""
    total = sum(len(large(number)) for number in range(3))
    assert f"theta: error: {total:,} bytes to check out, and " in said
    assert "free in" in said
    assert "nothing was written" in said
    assert "git theta checkout" in said
    assert "another git process" not in said
    assert all(is_manifest(sandbox.read(f"shard-{number}.safetensors")) for number in range(3))
    assert sandbox.git("status", "--porcelain").stdout == ""


def test_no_space_for_all_shards_leaves_manifests_after_a_whole_switch(sharded: tuple[Sandbox, Disk]) -> None:
    """Git has ended when all of them are known, and exits 0; what is said, and `git theta status`, tell of it."""
    sandbox, disk = sharded
    done = attempt(sandbox, "checkout", "--quiet", "v0")
    assert_waiting(sandbox, done.stderr)
    assert sandbox.read("config.json") == b"{}\n"
    assert sandbox.git("describe", "--tags").stdout == "v0\n"
    assert "manifest: `git theta checkout`" in sandbox.theta("status").stdout
    disk.remount("size=64m")
    sandbox.theta("checkout")
    for number in range(3):
        assert_holds(sandbox, large(number), f"shard-{number}.safetensors")


def test_no_space_for_all_that_git_theta_checkout_would_write(sharded: tuple[Sandbox, Disk]) -> None:
    sandbox, _ = sharded
    sandbox.git("checkout", "--quiet", "v0", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    done = attempt(sandbox, "theta", "checkout")
    assert done.returncode == StoreError.exit_code
    assert_waiting(sandbox, done.stderr)


def test_what_git_frees_later_is_no_reason_to_refuse(sharded: tuple[Sandbox, Disk]) -> None:
    """Three shards are there, each is replaced: there is room, though not for all of them twice."""
    sandbox, disk = sharded
    disk.remount(f"size={4 * DEFERRED_SIZE + (4 << 20)}")
    sandbox.git("checkout", "--quiet", "v0")
    for number in range(3):
        sandbox.write(f"shard-{number}.safetensors", large(number + 1))
    sandbox.commit("new ones")
    sandbox.git("checkout", "--quiet", "v0")
    for number in range(3):
        assert_holds(sandbox, large(number), f"shard-{number}.safetensors")


def test_a_failure_of_git_leaves_what_was_deferred(with_large: Sandbox) -> None:
    """It waits for us with its index locked: nothing is written, and nobody is told to look for another git."""
    with_large.write("second.safetensors", large(1)[:-4] + b"last")
    with_large.commit("second")
    with_large.git("checkout", "--quiet", "v0~1")
    needed = set(re.findall("[0-9a-f]{64}", with_large.git("show", "main:second.safetensors").stdout))
    kept = set(re.findall("[0-9a-f]{64}", with_large.git("show", f"main:{MODEL}").stdout))
    lost = [file for file in objects(with_large) if file.name in needed - kept]
    for file in lost:
        file.unlink()
    done = attempt(with_large, "checkout", "main")
    assert done.returncode != 0
    assert "objects are missing" in done.stderr
    assert f"still manifests: {MODEL}" in done.stderr
    assert "index" not in done.stderr
    assert is_manifest(with_large.read(MODEL))


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


def test_objects_may_be_mounted_from_elsewhere(tmp_path: Path, mounted: Mount) -> None:
    """Nothing can be renamed into them but from there."""
    store = LocalStore(tmp_path / "theta")
    mounted(store.root / "objects", 1)
    oid = store.put([b"values"]).oid
    made = store.root / "objects" / oid[:2] / oid[2:4] / oid
    assert made.read_bytes() == b"values"
    made.chmod(0o644)
    made.write_bytes(b"damaged")
    store.set_aside(oid)
    assert store.size(oid) is None
