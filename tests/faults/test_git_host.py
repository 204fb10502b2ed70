"""A Git server that has our objects and fails: it ends, says so, and nothing wrong is on either side."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from git_theta.errors import ThetaError, TransportError
from git_theta.repository.sharing.pointers import PointerUpdate, push_pointers
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.git.git_transport import GitTransport
from git_theta.transport.patience import Patience, SilentHost, read_patience
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.remote_settings import read_remote_access
from tests.running_commands import ends_soon, starts_soon
from tests.sandbox import Sandbox
from tests.servers.git_http import GitHost
from tests.servers.lfs_server import Fault
from tests.transport.git.test_git_transport import contents_of

CONTENTS = [noise_bytes(300_000 + seed, seed) for seed in range(3)]
STATUSES = (401, 403, 404, 413, 422, 429, 500, 507)
LONGEST_SECONDS = 20
PATIENCE = Patience(tell_after=0.5, give_up_after=2)


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

    def open_transport(
        self, store: LocalStore, tell: Callable[[str], None] = print, *, ask: bool = False
    ) -> GitTransport:
        access = read_remote_access("origin", self.url, self.repository, ask=ask)
        return GitTransport(store, access, self.repository.theta_dir, tell, PATIENCE)

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
    made = Side(sandbox, host, f"{tmp_path.name}.git")
    began = time.monotonic()
    yield made
    made.remote.fault = None
    assert time.monotonic() - began < LONGEST_SECONDS
    made.require_nothing_left()


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("skipped", [0, 2])
def test_a_silent_host_is_told_of_and_given_up(side: Side, skipped: int, ask: bool) -> None:
    """Also in the middle of a push. No program that Git has started for it outlives it."""
    told: list[str] = []
    side.remote.fault = Fault("git", "stall", skip=skipped)
    with (
        side.open_transport(side.store, told.append, ask=ask) as transport,
        pytest.raises(SilentHost, match=r"127\.0\.0\.1 has not answered for [2-4] s") as caught,
    ):
        list(transport.push(side.sizes))
    assert len(told) == 1
    assert re.fullmatch(r"127\.0\.0\.1 has not answered for \d s; giving up after \d s more", told[0])
    assert "git config theta.remote.NAME.patience 4" in caught.value.hint
    assert ends_soon(side.url)


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


@pytest.mark.parametrize("ask", [False, True])
def test_a_silent_ssh_is_given_up(side: Side, sandbox: Sandbox, tmp_path: Path, ask: bool) -> None:
    program = tmp_path / "silent-ssh"
    program.write_text("#!/bin/sh\nsleep 600\n")
    program.chmod(0o755)
    sandbox.git("config", "core.sshCommand", os.fspath(program))
    sandbox.git("config", "ssh.variant", "ssh")
    side.config = (sandbox.root / ".git/config").read_bytes()
    side.url = f"ssh://nowhere{side.bare}"
    with pytest.raises(SilentHost, match="nowhere has not answered"), side.open_transport(side.store, ask=ask) as there:
        there.lacking(side.sizes)
    assert ends_soon(os.fspath(program))


def test_what_reads_pointers_gives_up_too(side: Side, sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.remote.origin.patience", "1")
    side.config = (sandbox.root / ".git/config").read_bytes()
    side.remote.fault = Fault("git", "stall")
    with pytest.raises(TransportError, match="pointers of objects there cannot be read or written: 127") as caught:
        push_pointers("origin", side.url, side.sizes, side.repository, print)
    assert "git config theta.remote.origin.patience 2" in caught.value.hint


def test_what_reads_pointers_ahead_ends_with_the_push(side: Side) -> None:
    """Its host may be silent for ever, and the push be over: one that failed, or Ctrl-C."""
    side.remote.fault = Fault("git", "stall")
    with pytest.raises(KeyboardInterrupt), PointerUpdate("origin", side.url, side.repository, print):
        assert starts_soon(side.url)
        raise KeyboardInterrupt
    assert ends_soon(side.url)


def test_a_host_that_works_for_long_says_so(side: Side, sandbox: Sandbox) -> None:
    """Git's hosts send empty packets meanwhile, five seconds apart if nobody says otherwise."""
    git = ["git", "-C", os.fspath(side.bare), "config"]
    subprocess.run([*git, "receive.keepAlive", "1"], check=True)
    hook = side.bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nsleep 4\n")
    hook.chmod(0o755)
    assert side.push() == dict.fromkeys(side.sizes)


def test_a_person_may_be_more_patient(side: Side, sandbox: Sandbox) -> None:
    settings = {"theta.remote.origin.transport": "git", "theta.remote.origin.patience": "1"}
    for key, value in settings.items():
        sandbox.git("config", key, value)
    side.config = (sandbox.root / ".git/config").read_bytes()
    side.remote.fault = Fault("git", "stall")
    with (
        open_remote("origin", side.url, side.repository, side.store, push=True, may_prompt=False) as transport,
        pytest.raises(SilentHost, match=r"has not answered for [12] s") as caught,
    ):
        transport.lacking(side.sizes)
    assert "git config theta.remote.origin.patience 2" in caught.value.hint


def test_no_hint_names_the_url_of_a_remote_without_a_name() -> None:
    """It may have a password."""
    assert read_patience("https://me:secret@host/r.git", {}).key == "theta.remote.NAME.patience"


@pytest.mark.parametrize("said", ["", "0", "-1", "1.5", "soon", "9" * 5000])
def test_a_patience_that_is_no_number_is_an_error(said: str) -> None:
    with pytest.raises(TransportError, match=r"theta\.remote\.origin\.patience is"):
        read_patience("origin", {"theta.remote.origin.patience": said})
