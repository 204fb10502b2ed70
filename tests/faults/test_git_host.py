"""A Git server that has our objects and fails: it ends, says so, and nothing wrong is on either side."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from git_theta.errors import ThetaError, TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.git_blobs import GitTransport
from git_theta.transport.patience import Patience
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.remote_settings import read_remote_access
from tests.sandbox import Sandbox
from tests.servers.git_http import GitHost
from tests.servers.lfs_server import Fault
from tests.transport.test_git_blobs import contents_of

CONTENTS = [noise_bytes(300_000 + seed, seed) for seed in range(3)]
STATUSES = (401, 403, 404, 413, 422, 429, 500, 507)
LONGEST_SECONDS = 20


class Side:
    """A repository of ours, with objects, and an empty one of the host's."""

    def __init__(self, sandbox: Sandbox, host: GitHost, name: str) -> None:
        self.repository = discover_repository(sandbox.root)
        self.url = host.create(name)
        self.remote, self.bare = host.lfs(name), host.folder / name
        self.store = LocalStore(self.repository.theta_dir)
        stored = [self.store.put([content]) for content in CONTENTS]
        self.sizes = {one.oid: one.size for one in stored}
        self.objects = {one.oid: content for one, content in zip(stored, CONTENTS, strict=True)}
        self.config = (sandbox.root / ".git/config").read_bytes()
        self.top = sandbox.root

    def open_transport(self, store: LocalStore) -> GitTransport:
        access = read_remote_access("origin", self.url, self.repository, ask=False)
        return GitTransport(store, access, self.repository.theta_dir, print)

    def push(self) -> Mapping[str, ThetaError | None]:
        with self.open_transport(self.store) as transport:
            return {one.oid: one.error for one in transport.push(self.sizes)}

    def fetch(self) -> Mapping[str, ThetaError | None]:
        """As somebody who has none of the objects."""
        self.elsewhere = LocalStore(self.top / "elsewhere")
        with self.open_transport(self.elsewhere) as transport:
            inbox = Inbox(self.elsewhere, self.elsewhere.root)
            return {one.oid: one.error for one in transport.fetch(self.sizes, inbox)}

    def require_nothing_left(self) -> None:
        assert (self.top / ".git/config").read_bytes() == self.config
        assert list((self.repository.theta_dir / "tmp").glob("*")) == []


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def side(sandbox: Sandbox, host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    monkeypatch.chdir(sandbox.root)
    sandbox.git("config", "http.lowSpeedLimit", "1000")
    sandbox.git("config", "http.lowSpeedTime", "1")
    made = Side(sandbox, host, f"{tmp_path.name}.git")
    began = time.monotonic()
    yield made
    made.remote.fault = None
    assert time.monotonic() - began < LONGEST_SECONDS
    made.require_nothing_left()


def test_a_silent_host_is_told_of(side: Side) -> None:
    """Also one that is silent in the middle of a push; Git ends it."""
    access = read_remote_access("origin", side.url, side.repository, ask=False)
    for skipped in (0, 2):
        told: list[str] = []
        patience = Patience(tell_after=0.5, give_up_after=math.inf)
        side.remote.fault = Fault("git", "stall", skip=skipped)
        with (
            GitTransport(side.store, access, side.repository.theta_dir, told.append, patience) as transport,
            pytest.raises(TransportError),
        ):
            list(transport.push(side.sizes))
        assert set(told) <= {"127.0.0.1 has not answered for 0 s", "127.0.0.1 has not answered for 1 s"}
        assert told


FAULTS = [*STATUSES, "cut", "altered", "stall"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_host_that_answers_nothing_else(side: Side, kind: int) -> None:
    side.remote.fault = Fault("git", kind)
    for transfer in (side.push, side.fetch):
        with pytest.raises(TransportError):
            transfer()
    assert contents_of(side.bare) == {}
    side.remote.fault = None
    assert side.push() == side.fetch() == dict.fromkeys(side.sizes)
    assert contents_of(side.bare) == side.objects


@pytest.mark.parametrize("skip", range(2, 6))
@pytest.mark.parametrize("kind", [500, "cut", "altered"])
def test_a_request_of_a_push_that_fails(side: Side, kind: int, skip: int) -> None:
    """What it does not say it put there need not be there; what it says is."""
    side.remote.fault = Fault("git", kind, times=1, skip=skip)
    try:
        done = side.push()
    except TransportError:
        done = {}
    there = contents_of(side.bare)
    assert there.items() <= side.objects.items()
    assert {oid for oid, error in done.items() if not error} <= there.keys()
    side.remote.fault = None
    assert side.push() == dict.fromkeys(side.sizes)
    assert contents_of(side.bare) == side.objects


@pytest.mark.parametrize("skip", range(1, 5))
@pytest.mark.parametrize("kind", [500, "cut", "altered"])
def test_a_request_of_a_fetch_that_fails(side: Side, kind: int, skip: int) -> None:
    assert side.push() == dict.fromkeys(side.sizes)
    side.remote.fault = Fault("git", kind, times=1, skip=skip)
    try:
        done = side.fetch()
    except TransportError:
        done = {}
    here = {oid: (side.elsewhere.find(oid) or Path()).read_bytes() for oid in side.elsewhere.oids()}
    assert here.items() <= side.objects.items()
    assert {oid for oid, error in done.items() if not error} <= here.keys()
    side.remote.fault = None
    assert side.fetch() == dict.fromkeys(side.sizes)


def test_a_push_that_is_taken_and_not_kept(side: Side) -> None:
    side.remote.fault = Fault("git", "lost")
    errors = side.push()
    assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(side.sizes, TransportError)
    side.remote.fault = None
    assert side.push() == dict.fromkeys(side.sizes)


def test_silence_ends_where_nobody_has_said_when(side: Side, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git itself would wait for ever. What the person has said holds, and so the tests above end in time."""

    def read_limit() -> str:
        with side.open_transport(side.store) as transport, transport._open_scratch() as scratch:
            return scratch.git("config", "--default", "", "--get", "http.lowSpeedTime").decode().strip()

    assert read_limit() == "1"
    for key in ("http.lowSpeedLimit", "http.lowSpeedTime"):
        sandbox.git("config", "--unset", key)
    side.config = (sandbox.root / ".git/config").read_bytes()
    assert read_limit() == "300"
    monkeypatch.setenv("GIT_HTTP_LOW_SPEED_TIME", "7")
    assert read_limit() == ""
