"""A disk that fills up in a repack, a fetch, a save or a checkout into a folder: nothing is half, and room mends it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import git_theta
from git_theta.errors import StoreError
from tests.faults.conftest import Disk
from tests.faults.harness import MODEL, assert_comes_back, attempt, leftovers
from tests.faults.test_disk_full import ROOM, Mount, shaken, used_bytes
from tests.integration.shared_model import needs_lfs
from tests.sandbox import Sandbox, changed, track_and_commit
from tests.servers.git_http import GitHost
from tests.two_branches import tensor

LITTLE = 1 << 18
"""Bytes that are left, which are too few for anything here."""


def nudged() -> bytes:
    """``shaken(0)``, with a few of the lowest bits of each element changed."""
    elements = np.frombuffer(tensor(shaken(0), "embed.weight"), "<u4")
    moved = elements + np.random.default_rng(9).integers(0, 16, len(elements), np.uint32)
    return changed(shaken(0), "embed.weight", moved.astype("<u4").tobytes())


def mount_store(sandbox: Sandbox, mounted: Mount, free: int = LITTLE) -> Disk:
    """Have the repository's objects on a disk of their own, of which so many bytes are free."""
    theta = sandbox.root / ".git/theta"
    kept = sandbox.root.parent / "kept"
    if theta.exists():
        theta.rename(kept)
    disk = mounted(theta, ROOM)
    if kept.exists():
        shutil.copytree(kept, theta, dirs_exist_ok=True)
    disk.remount(f"size={used_bytes(theta) + free}")
    return disk


@pytest.mark.parametrize("way", [(), ("--dense",)], ids=["delta", "dense"])
def test_a_repack(way: tuple[str, ...], sandbox: Sandbox, mounted: Mount) -> None:
    sandbox.git("config", "theta.updates", "delta" if way else "dense")
    track_and_commit(sandbox, {MODEL: shaken(0)})
    sandbox.write(MODEL, nudged())
    sandbox.commit("another version")
    sandbox.git("config", "--unset", "theta.updates")
    disk = mount_store(sandbox, mounted)
    staged = sandbox.git("ls-files", "-s").stdout
    done = attempt(sandbox, "theta", "repack", *way)
    assert done.returncode == StoreError.exit_code
    assert MODEL in done.stderr and os.strerror(errno.ENOSPC) in done.stderr
    assert sandbox.git("ls-files", "-s").stdout == staged
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert leftovers(sandbox) == []
    disk.remount(f"size={ROOM}m")
    sandbox.theta("repack", *way)
    assert sandbox.git("ls-files", "-s").stdout != staged
    assert_comes_back(sandbox, nudged())
    sandbox.theta("fsck")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    (tmp_path / "host").mkdir()
    with GitHost(tmp_path / "host") as running:
        yield running


TRANSPORTS = ["directory", "git", pytest.param("lfs", marks=needs_lfs)]


def create_remote(transport: str, sandbox: Sandbox, folder: Path) -> Path:
    """An empty repository, which objects of this one get to through a transport."""
    if transport == "git":
        sandbox.git("config", "--global", "theta.remote.origin.transport", "git")
    return Sandbox.create(folder / "remote.git", install=False, bare=True).root


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("command", ["fetch", "pull"])
def test_a_fetch(command: str, transport: str, sandbox: Sandbox, mounted: Mount, host: GitHost, tmp_path: Path) -> None:
    remote = host.create("remote.git") if transport == "lfs" else create_remote(transport, sandbox, tmp_path)
    sandbox.theta("install", "--global")
    track_and_commit(sandbox, {MODEL: shaken(0)})
    sandbox.git("remote", "add", "origin", remote)
    sandbox.git("push", "-q", "origin", "main")
    clone = Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")
    clone.run("git", "checkout", "-q", "main", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    disk = mount_store(clone, mounted)
    manifest = clone.read(MODEL)
    done = attempt(clone, "theta", command)
    assert done.returncode != 0
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert "hint: " in done.stderr
    assert clone.read(MODEL) == manifest
    assert clone.git("status", "--porcelain").stdout == ""
    assert leftovers(clone) == []
    disk.remount(f"size={ROOM}m")
    clone.theta("pull")
    assert clone.read(MODEL) == shaken(0)
    assert clone.git("status", "--porcelain").stdout == ""
    clone.theta("fsck")


@pytest.mark.parametrize("transport", ["directory", "git"])
def test_a_push_to_a_disk_that_is_full(transport: str, sandbox: Sandbox, mounted: Mount, tmp_path: Path) -> None:
    sandbox.theta("install", "--global")
    disk = mounted(tmp_path / "there", ROOM)
    remote = Sandbox(disk.folder / "remote.git")
    shutil.copytree(create_remote(transport, sandbox, tmp_path), remote.root)
    track_and_commit(sandbox, {MODEL: shaken(0)})
    sandbox.git("remote", "add", "origin", remote.root)
    disk.remount(f"size={used_bytes(disk.folder) + LITTLE}")
    done = attempt(sandbox, "push", "-q", "origin", "main")
    assert done.returncode != 0
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert remote.git("for-each-ref").stdout == ""
    assert leftovers(sandbox) == []
    disk.remount(f"size={ROOM}m")
    sandbox.git("push", "-q", "origin", "main")
    assert Sandbox.clone(remote, tmp_path / "clone").read(MODEL) == shaken(0)


def test_a_save(sandbox: Sandbox, mounted: Mount) -> None:
    track_and_commit(sandbox, {MODEL: shaken(0)})
    disk = mount_store(sandbox, mounted)
    refs = sandbox.git("for-each-ref").stdout
    tensors = {"weight": np.random.default_rng(5).standard_normal((1000, 1000), dtype=np.float32)}

    def save() -> None:
        git_theta.save(tensors, MODEL, message="saved", branch="runs/1", repo=sandbox.root)

    with pytest.raises(StoreError, match=os.strerror(errno.ENOSPC)):
        save()
    assert sandbox.git("for-each-ref").stdout == refs
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert leftovers(sandbox) == []
    disk.remount(f"size={ROOM}m")
    save()
    loaded = git_theta.load(MODEL, "runs/1", sandbox.root)
    assert np.array_equal(loaded["weight"], tensors["weight"])
    sandbox.theta("fsck")


SMALL_FILES = 600
"""Files of a few bytes take a page each, which is not what the sum of their sizes says."""


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_checkout_into_a_folder(kind: str, when: str, sandbox: Sandbox, mounted: Mount, tmp_path: Path) -> None:
    files = {MODEL: shaken(0)}
    if kind == "file":
        files |= {f"notes/{number}.txt": b"%d" % number for number in range(SMALL_FILES)}
    for number in range(SMALL_FILES if kind == "link" else 0):
        (sandbox.root / f"{number}.link").symlink_to("x" * 200)
    track_and_commit(sandbox, files)
    disk = mounted(tmp_path / "folder", ROOM)
    disk.remount(f"size={len(shaken(0)) + (LITTLE if when == 'meanwhile' else -LITTLE)}")
    with (
        pytest.raises(StoreError, match=r"free in|cannot write"),
        git_theta.checkout_dir("HEAD", repo=sandbox.root, within=disk.folder),
    ):
        raise AssertionError("it was given a folder")
    assert list(disk.folder.iterdir()) == []
    disk.remount(f"size={ROOM}m")
    with git_theta.checkout_dir("HEAD", repo=sandbox.root, within=disk.folder) as folder:
        assert (folder / MODEL).read_bytes() == shaken(0)
        assert len(list(folder.rglob("*.txt" if kind == "file" else "*.link"))) == SMALL_FILES


def test_a_migration(sandbox: Sandbox, mounted: Mount) -> None:
    sandbox.write(MODEL, shaken(0))
    sandbox.commit("as Git holds it")
    commit = sandbox.git("rev-parse", "HEAD").stdout
    disk = mount_store(sandbox, mounted, free=1 << 14)
    done = attempt(sandbox, "theta", "migrate", "import", "--include", MODEL)
    assert done.returncode != 0
    assert os.strerror(errno.ENOSPC) in done.stderr and "hint: Free some space" in done.stderr
    assert sandbox.git("rev-parse", "HEAD").stdout == commit
    assert sandbox.git("status", "--porcelain").stdout == ""
    disk.remount(f"size={ROOM}m")
    sandbox.git("theta", "migrate", "import", "--include", MODEL)
    assert (sandbox.root / MODEL).read_bytes() == shaken(0)
