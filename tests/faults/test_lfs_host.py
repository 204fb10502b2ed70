"""A Git LFS host that fails, in every way we know: it ends, says so, and leaves nothing wrong on either side."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, ThetaError, TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.base import Outcome
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.transport.patience import Patience
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import Fault, LfsServer

CONTENTS = [noise_bytes(300_000 + seed, seed) for seed in range(3)]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}
LONGEST_SECONDS = 8
"""For what waits a second or two, on a machine that does other things."""


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


class Side:
    """A repository of ours, with a store, and one of the server's."""

    def __init__(self, sandbox: Sandbox, server: LfsServer, folder: Path) -> None:
        sandbox.git("config", "lfs.transfer.maxretries", "1")
        self.repository = discover_repository(sandbox.root)
        self.remote = server.add_repository(folder)
        self.store = LocalStore(self.repository.theta_dir)
        self.told: list[str] = []
        self.config = (sandbox.root / ".git/config").read_bytes()
        self.top = sandbox.root

    def open_transport(self) -> LfsTransport:
        patience = Patience(tell_after=0.3, give_up_after=1.5, pause=0.01)
        endpoint = parse_endpoint(self.remote.url)
        return LfsTransport(endpoint, self.repository, self.store, {}, self.told.append, ask=False, patience=patience)

    def put_here(self) -> None:
        for content in CONTENTS:
            self.store.put([content])

    def put_there(self) -> None:
        for oid, content in OBJECTS.items():
            self.remote.place_of(oid).write_bytes(content)

    def push(self) -> Mapping[str, ThetaError | None]:
        with self.open_transport() as transport:
            return _by_oid(transport.push(SIZES))

    def fetch(self) -> Mapping[str, ThetaError | None]:
        with self.open_transport() as transport:
            return _by_oid(transport.fetch(SIZES, Inbox(self.store, self.repository.theta_dir)))

    def fetch_anew(self) -> Mapping[str, ThetaError | None]:
        """As somebody who has none of the objects."""
        store = LocalStore(self.top / "elsewhere")
        with self.open_transport() as transport:
            return _by_oid(transport.fetch(SIZES, Inbox(store, store.root)))

    def contents_here(self) -> dict[str, bytes]:
        found = {}
        for oid in self.store.oids():
            with self.store.get(oid) as stream:
                found[oid] = stream.read()
        return found

    def contents_there(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.remote.folder.iterdir()}

    def require_nothing_left(self) -> None:
        assert (self.top / ".git/config").read_bytes() == self.config
        assert not (self.top / ".git/lfs").exists()
        assert list((self.repository.theta_dir / "tmp").glob("*")) == []
        assert list((self.repository.theta_dir / "incoming").glob("*")) == []


def _by_oid(outcomes: Iterator[Outcome]) -> dict[str, ThetaError | None]:
    return {one.oid: one.error for one in outcomes}


@pytest.fixture
def side(sandbox: Sandbox, server: LfsServer, tmp_path: Path) -> Iterator[Side]:
    made = Side(sandbox, server, tmp_path / "remote")
    began = time.monotonic()
    yield made
    made.remote.fault = None
    assert time.monotonic() - began < LONGEST_SECONDS
    made.require_nothing_left()


BATCH = [Fault("batch", status) for status in (401, 403, 404, 413, 422, 429, 500, 507)]


@pytest.mark.parametrize("fault", BATCH, ids=lambda fault: str(fault.kind))
def test_a_host_that_answers_nothing_else(side: Side, fault: Fault) -> None:
    side.put_here()
    side.remote.fault = fault
    with pytest.raises(TransportError, match=str(fault.kind) if fault.kind != 401 else "user and password"):
        side.push()
    assert side.contents_there() == {}


@pytest.mark.parametrize("verb", ["push", "fetch"])
@pytest.mark.parametrize("fault", [Fault("batch", 429, times=1, wait=1), Fault("batch", 500, times=1)])
def test_a_host_that_is_busy_for_a_moment(side: Side, fault: Fault, verb: str) -> None:
    side.put_here() if verb == "push" else side.put_there()
    side.remote.fault = fault
    if (verb, fault.kind) == ("fetch", 500):  # which git-lfs does not repeat
        assert {type(error) for error in side.fetch().values()} == {TransportError}
    assert getattr(side, verb)() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == side.contents_here() == OBJECTS


REFUSED = [Fault("upload", status) for status in (403, 404, 413, 422, 500, 507)]
LOST = [Fault("batch", "liar"), Fault("upload", "lost"), Fault("upload", "short"), Fault("upload", "long")]
SILENT = [Fault("batch", "stall"), Fault("upload", "stall"), Fault("upload", 401)]
"""git-lfs 3.3 repeats an upload that is answered 401 for ever."""
SAYS = {"liar": "though git-lfs said so", "lost": "though git-lfs said so", "short": "of its", "long": "of its"}


@pytest.mark.parametrize("fault", [*REFUSED, *LOST, Fault("upload", "cut")], ids=lambda fault: str(fault.kind))
def test_an_upload_that_does_not_arrive(side: Side, fault: Fault) -> None:
    side.put_here()
    side.remote.fault = fault
    errors = side.push()
    assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(OBJECTS, TransportError)
    assert all(SAYS.get(str(fault.kind), "did not arrive: git-lfs: ") in str(error) for error in errors.values())
    side.remote.fault = None
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


@pytest.mark.parametrize(
    "fault",
    [Fault("upload", "cut", 1), Fault("upload", 500, 1), Fault("upload", 429, 1, wait=1)],
    ids=lambda fault: str(fault.kind),
)
def test_an_upload_that_fails_once(side: Side, fault: Fault) -> None:
    side.put_here()
    side.remote.fault = fault
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


WRONG = [Fault("download", kind, 1) for kind in ("altered", "short", "long")]


@pytest.mark.parametrize("fault", WRONG, ids=lambda fault: str(fault.kind))
def test_other_bytes_than_the_objects(side: Side, fault: Fault) -> None:
    side.put_there()
    side.remote.fault = fault
    errors = {oid: error for oid, error in side.fetch().items() if error}
    assert [type(error) for error in errors.values()] == [CorruptObject]
    assert side.contents_here() == {oid: content for oid, content in OBJECTS.items() if oid not in errors}
    assert side.fetch() == dict.fromkeys(OBJECTS)


@pytest.mark.parametrize("fault", [Fault("download", status) for status in (403, 404, 500)], ids=lambda f: str(f.kind))
def test_a_download_that_is_refused(side: Side, fault: Fault) -> None:
    side.put_there()
    side.remote.fault = fault
    errors = side.fetch()
    assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(OBJECTS, TransportError)
    assert side.contents_here() == {}


@pytest.mark.parametrize(
    "fault",
    [Fault("download", "cut", 1), Fault("download", 500, 1), Fault("download", "slow")],
    ids=lambda fault: str(fault.kind),
)
def test_a_download_that_fails_once_or_is_slow(side: Side, fault: Fault) -> None:
    side.put_there()
    side.remote.fault = fault
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert side.contents_here() == OBJECTS


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: f"{fault.stage}-{fault.kind}")
def test_a_host_that_is_silent_is_told_of_and_given_up(side: Side, fault: Fault) -> None:
    side.put_here()
    side.remote.fault = fault
    with pytest.raises(TransportError, match=r"127\.0\.0\.1 has (not answered|moved nothing) for \d s"):
        side.push()
    assert len(side.told) == 1 and "giving up after 1 s more" in side.told[0]
    assert side.contents_there() == {}


def test_a_git_lfs_that_begins_anew_is_no_sign_of_life(side: Side, sandbox: Sandbox) -> None:
    """It would do so every 30 seconds, for many minutes, and be told of each time."""
    sandbox.git("config", "lfs.activitytimeout", "1")
    side.config = (sandbox.root / ".git/config").read_bytes()
    side.put_here()
    side.remote.fault = Fault("upload", "stall")
    with pytest.raises(TransportError, match=r"127\.0\.0\.1 has moved nothing for \d s"):
        side.push()
    assert len(side.told) == 1


def test_what_had_arrived_before_a_host_fell_silent_stays(side: Side) -> None:
    side.put_there()
    side.remote.fault = Fault("download", "stall", times=1, skip=1)
    with pytest.raises(TransportError, match="has moved nothing"):
        side.fetch()
    assert len(side.contents_here()) == 2
    assert side.contents_here().items() <= OBJECTS.items()
    side.remote.requests.clear()
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert len([one for one in side.remote.requests if one[0] == "GET"]) == 1


def test_an_object_that_is_not_there_is_missing(side: Side) -> None:
    side.put_there()
    first = next(iter(OBJECTS))
    side.remote.place_of(first).unlink()
    assert {oid: type(error) for oid, error in side.fetch().items() if error} == {first: MissingObject}
    assert side.contents_here().keys() == OBJECTS.keys() - {first}


@pytest.mark.parametrize(("code", "hint"), [(403, "quota"), (413, "a bucket"), (422, "its log"), (507, "no room")])
def test_objects_that_the_host_refuses_one_by_one(side: Side, code: int, hint: str) -> None:
    """It is no host that lacks them, and it says why."""
    side.put_here()
    side.remote.fault = Fault("batch", "refused", code=code)
    with side.open_transport() as transport:
        assert transport.lacking(SIZES) == list(SIZES)
        told = transport.explain_lack(next(iter(SIZES)))
        assert (type(told), told.message) == (TransportError, f"cannot be had there: refused by this host ({code})")
    for errors in (side.push(), side.fetch_anew()):
        assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(OBJECTS, TransportError)
        assert all(f"the host refuses it: refused by this host ({code})" in str(error) for error in errors.values())
        assert all(error and hint in error.hint for error in errors.values())
    side.remote.fault = None
    assert side.push() == dict.fromkeys(OBJECTS)
