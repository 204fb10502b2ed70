"""The host that the stories of sharing push to is one: plain Git and plain git-lfs get along with it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox import Sandbox
from tests.servers.git_http import GitHost, store_password
from tests.servers.lfs_server import Fault

WORDS = os.urandom(200_000)
ALICE = ("alice", "secret of alice")

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is the client")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path, ALICE) as host:
        yield host


@pytest.fixture
def plain(tmp_path: Path, host: GitHost) -> Sandbox:
    """A repository with one commit, whose ``origin`` is empty."""
    sandbox = Sandbox.create(tmp_path / "repository", install=False)
    sandbox.write("a.bin", WORDS)
    sandbox.commit()
    sandbox.git("remote", "add", "origin", host.create("model.git"))
    return sandbox


@pytest.fixture
def with_lfs(plain: Sandbox, host: GitHost, home: Path) -> Sandbox:
    """It, with a file of git-lfs's in a commit that is not pushed yet; its person has the password."""
    store_password(home, host.root, *ALICE)
    plain.git("lfs", "install")
    plain.git("lfs", "track", "*.lfs")
    plain.write("b.lfs", WORDS)
    plain.commit()
    return plain


def test_git_pushes_and_clones_with_a_password(plain: Sandbox, host: GitHost, home: Path, tmp_path: Path) -> None:
    assert plain.git("push", "origin", "main", check=False).returncode
    assert {one.status for one in host.requests} == {401}
    asked = store_password(home, host.root, *ALICE)
    plain.git("push", "--quiet", "origin", "main")
    assert Sandbox.clone(f"{host.root}/model.git", tmp_path / "clone").read("a.bin") == WORDS
    assert "store " in asked.read_text()
    assert "erase " not in asked.read_text()


def test_requests_in_chunks_and_compressed_ones(plain: Sandbox, host: GitHost, home: Path, tmp_path: Path) -> None:
    """A pack that is larger than the buffer comes in chunks; a fetch that names many commits comes compressed."""
    store_password(home, host.root, *ALICE)
    plain.git("-c", "http.postBuffer=65536", "push", "--quiet", "origin", "main")
    assert host.moved_bytes("POST", "git-receive-pack") > len(WORDS)
    clone = Sandbox.clone(f"{host.root}/model.git", tmp_path / "clone", "--depth", "1", "--filter=blob:none")
    for number in range(40):
        for one in (plain, clone):
            one.git("commit", "--quiet", "--allow-empty", "-m", f"{number} in {one.root.name}")
    plain.git("push", "--quiet", "origin", "main")
    clone.git("fetch", "--quiet", "--unshallow")
    assert clone.git("rev-list", "--count", "origin/main").stdout == "41\n"


def test_a_repository_that_is_not_there(host: GitHost, home: Path, tmp_path: Path) -> None:
    nowhere = Sandbox.create(tmp_path / "nowhere", install=False)
    done = nowhere.git("ls-remote", f"{host.root}/other.git", check=False)
    assert done.returncode
    assert "not found" in done.stderr


@needs_lfs
def test_git_lfs_pushes_and_clones(with_lfs: Sandbox, host: GitHost, tmp_path: Path) -> None:
    with_lfs.git("push", "--quiet", "origin", "main")
    assert list(host.objects("model.git").values()) == [len(WORDS)]
    assert host.moved_bytes("PUT") == len(WORDS)
    assert Sandbox.clone(f"{host.root}/model.git", tmp_path / "clone").read("b.lfs") == WORDS
    assert host.moved_bytes("GET") == len(WORDS)


@needs_lfs
def test_a_line_takes_its_time(with_lfs: Sandbox, host: GitHost, tmp_path: Path) -> None:
    host.lfs("model.git").rate = len(WORDS) / 0.7
    for transfer in (
        lambda: with_lfs.git("push", "--quiet", "origin", "main"),
        lambda: Sandbox.clone(f"{host.root}/model.git", tmp_path / "clone"),
    ):
        began = time.monotonic()
        transfer()
        assert time.monotonic() - began >= 0.7


@needs_lfs
def test_a_fault_of_the_lfs_server_fails_the_push(with_lfs: Sandbox, host: GitHost) -> None:
    with_lfs.git("config", "lfs.transfer.maxretries", "1")
    host.lfs("model.git").fault = Fault("upload", 500)
    assert with_lfs.git("push", "origin", "main", check=False).returncode
    assert not host.objects("model.git")
    assert Sandbox(host.folder / "model.git").git("for-each-ref").stdout == ""
