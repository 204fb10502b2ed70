"""A download through git-lfs that was cut goes on in a later process: only the rest comes over the wire."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.repository.stores.object_stores import open_store
from git_theta.store.inbox import FOLDER, Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.base import Outcome
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.vcs.discovery import Repository, discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import SLOW_PIECE, Fault, LfsRepository, LfsServer

CONTENT = noise_bytes(3_000_000, 1)
OID = hashlib.sha256(CONTENT).hexdigest()
OBJECT = {OID: len(CONTENT)}


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture
def remote(server: LfsServer, tmp_path: Path) -> LfsRepository:
    made = server.add_repository(tmp_path / "remote")
    made.place_of(OID).write_bytes(CONTENT)
    return made


@pytest.fixture
def repository(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(sandbox.root)
    sandbox.git("config", "lfs.transfer.maxretries", "1")
    return discover_repository(sandbox.root)


def fetch(repository: Repository, remote: LfsRepository, *, ask: bool = False) -> list[Outcome]:
    store = LocalStore(repository.theta_dir)
    with LfsTransport(parse_endpoint(remote.url), repository, store, {}, print, ask=ask) as transport:
        return list(transport.fetch(OBJECT, Inbox(store, repository.theta_dir)))


def incoming(repository: Repository) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in (repository.theta_dir / FOLDER).glob("*")}


def assert_only_the_rest_comes(repository: Repository, remote: LfsRepository, here: int) -> None:
    remote.fault, remote.sent = None, 0
    assert fetch(repository, remote) == [Outcome(OID, len(CONTENT))]
    # The server may still have been sending a piece to who was killed.
    assert 0 < remote.sent <= len(CONTENT) - here + SLOW_PIECE
    with LocalStore(repository.theta_dir).get(OID) as stream:
        assert stream.read() == CONTENT
    assert incoming(repository) == {}
    assert list((repository.theta_dir / "tmp").glob("*")) == []


def test_what_a_cut_left_is_there_for_the_next_try(repository: Repository, remote: LfsRepository) -> None:
    remote.fault = Fault("download", "cut")
    [outcome] = fetch(repository, remote)
    assert isinstance(outcome.error, TransportError)
    here = incoming(repository)[OID]
    assert here >= len(CONTENT) // 2
    assert_only_the_rest_comes(repository, remote, here)


def test_what_a_killed_process_left_is_there_for_the_next_one(repository: Repository, remote: LfsRepository) -> None:
    remote.fault = Fault("download", "slow")
    child = os.fork()
    if not child:
        try:
            os.setsid()
            fetch(repository, remote, ask=True)  # in one group with us
        finally:
            os._exit(0)
    while remote.sent < 400_000:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended before anybody killed it"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    [scratch] = (repository.theta_dir / "tmp").iterdir()
    with (scratch / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the last of them has ended
        open_store(repository)
        assert incoming(repository) == {}  # somebody is at it, as far as anybody can tell
    open_store(repository)
    here = incoming(repository)[OID]
    assert here > 200_000
    remove_abandoned(scratch, repository)
    assert_only_the_rest_comes(repository, remote, here)


def remove_abandoned(scratch: Path, repository: Repository) -> None:
    """As open_store does a day later."""
    os.utime(scratch, (1, 1))
    open_store(repository)
    assert not scratch.exists()


@pytest.mark.parametrize("left", [b"of another host" * 1000, CONTENT[:-1], CONTENT + b"more"], ids=len)
def test_what_is_none_of_the_object_does_no_harm(repository: Repository, remote: LfsRepository, left: bytes) -> None:
    folder = repository.theta_dir / FOLDER
    folder.mkdir(parents=True)
    (folder / OID).write_bytes(left)
    assert fetch(repository, remote) == [Outcome(OID, len(CONTENT))]
    assert incoming(repository) == {}
