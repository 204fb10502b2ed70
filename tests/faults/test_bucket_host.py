"""A bucket that fails, in every way we know: it ends, says so, and nothing wrong is on either side.

The server speaks Google's protocol; S3's and Azure's go the same ways through obstore.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, StoreError, ThetaError, TransportError
from git_theta.manifest.text import decode_manifest
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport import bucket, bucket_access
from git_theta.transport.bucket import BucketTransport
from git_theta.transport.bucket_access import open_bucket
from git_theta.transport.patience import Patience, SilentHost
from tests.faults.conftest import Disk
from tests.faults.harness import MODEL, kill_at_random
from tests.sandbox import Sandbox, model, track_and_commit
from tests.servers.slow_line import SlowLine

pytest.importorskip("obstore")
pytest.importorskip("cryptography", reason="signatures are checked with it")

from tests.transport import google_server
from tests.transport.google_server import Fault, GoogleServer

CONTENTS = [noise_bytes(300_000 + seed, seed) for seed in range(3)]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}
LONGEST_SECONDS = 15
PATIENCE = Patience(tell_after=0.3, give_up_after=4)
KILLS = int(os.environ.get("THETA_TEST_KILLS", "3"))
STATUSES = (401, 403, 404, 413, 422, 429, 500, 507)


@pytest.fixture(scope="module")
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


class Side:
    """A store of ours, and an empty bucket."""

    def __init__(self, server: GoogleServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.bucket = server.make_bucket(os.fspath(folder))
        self.store = LocalStore(folder / "ours")

    @property
    def url(self) -> str:
        return f"gs://{self.bucket}/team"

    def open_transport(self, store: LocalStore, tell: Callable[[str], None] = print) -> BucketTransport:
        return BucketTransport(store, open_bucket(self.url, {}, PATIENCE), tell, PATIENCE)

    def put_here(self) -> None:
        for content in CONTENTS:
            self.store.put([content])

    def put_there(self) -> None:
        elsewhere = LocalStore(self.folder / "elsewhere")
        for content in CONTENTS:
            elsewhere.put([content])
        with self.open_transport(elsewhere) as transport:
            assert [one for one in transport.push(SIZES) if one.error] == []

    def push(self) -> Mapping[str, ThetaError | None]:
        with self.open_transport(self.store) as transport:
            return {one.oid: one.error for one in transport.push(SIZES)}

    def fetch(self) -> Mapping[str, ThetaError | None]:
        with self.open_transport(self.store) as transport:
            return {one.oid: one.error for one in transport.fetch(SIZES, Inbox(self.store, self.store.root))}

    def contents_here(self) -> dict[str, bytes]:
        return {oid: (self.store.find(oid) or Path()).read_bytes() for oid in self.store.oids()}

    def contents_there(self) -> dict[str, bytes]:
        found = self.server.buckets[self.bucket].items()
        return {key.rpartition("/")[2]: blob.content for key, blob in found}


@pytest.fixture
def side(server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", os.fspath(server.write_account(tmp_path)))
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)
    backoff = {"init_backoff": timedelta(milliseconds=10), "max_backoff": timedelta(milliseconds=50), "base": 2}
    patience = {"max_retries": 2, "retry_timeout": timedelta(seconds=5), "backoff": backoff}
    monkeypatch.setattr(bucket_access, "_RETRY", patience)
    began = time.monotonic()
    yield Side(server, tmp_path)
    server.fault = None
    assert time.monotonic() - began < LONGEST_SECONDS


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_a_push_to_a_bucket_that_answers_nothing_else(side: Side, method: str, status: int) -> None:
    side.put_here()
    side.server.fault = Fault(method, status)
    errors = errors_of(side.push)
    assert errors and all(isinstance(error, TransportError) for error in errors.values())
    assert method == "HEAD" or side.contents_there() == {}
    side.server.fault = None
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


@pytest.mark.parametrize("status", STATUSES)
def test_a_fetch_from_a_bucket_that_answers_nothing_else(side: Side, status: int) -> None:
    side.put_there()
    side.server.fault = Fault("GET", status)
    expected = MissingObject if status == 404 else TransportError
    errors = errors_of(side.fetch)
    assert errors and all(isinstance(error, expected) for error in errors.values())
    assert side.contents_here() == {}
    side.server.fault = None
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert side.contents_here() == OBJECTS


def errors_of(transfer: Callable[[], Mapping[str, ThetaError | None]]) -> Mapping[str, ThetaError | None]:
    """Each object's error, or that of the bucket as a whole."""
    try:
        return transfer()
    except TransportError as error:
        return {"": error}


@pytest.mark.parametrize("fault", [Fault("PUT", kind, 1) for kind in (429, 500, 503, "cut", "stall")], ids=str)
def test_an_upload_that_fails_once(side: Side, fault: Fault) -> None:
    side.put_here()
    side.server.fault = fault
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


@pytest.mark.parametrize("kind", ["cut", "lost", "short", "long"])
def test_an_upload_that_does_not_arrive(side: Side, kind: str) -> None:
    side.put_here()
    side.server.fault = Fault("PUT", kind)  # type: ignore[arg-type]
    errors = side.push()
    assert {oid: type(error) for oid, error in errors.items()} == dict.fromkeys(OBJECTS, TransportError)
    side.server.fault = None
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


@pytest.mark.parametrize("kind", ["altered", "short", "long"])
def test_other_bytes_than_the_objects(side: Side, kind: str) -> None:
    side.put_there()
    side.server.fault = Fault("GET", kind, 1)  # type: ignore[arg-type]
    errors = {oid: error for oid, error in side.fetch().items() if error}
    assert len(errors) <= 1
    assert side.contents_here() == {oid: content for oid, content in OBJECTS.items() if oid not in errors}
    assert all(isinstance(error, (CorruptObject, TransportError)) for error in errors.values())
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert side.contents_here() == OBJECTS


@pytest.mark.parametrize("method", ["GET", "LIST"])
def test_a_silent_bucket_is_told_of(side: Side, method: str) -> None:
    side.put_there()
    told: list[str] = []
    side.server.fault = Fault(method, "stall", 1)
    with side.open_transport(side.store, told.append) as transport:
        if method == "GET":
            assert [one.error for one in transport.fetch(SIZES, Inbox(side.store, side.store.root))] == [None] * 3
        else:
            assert len(list(transport.list_held())) == 3
    assert told == ["the bucket has not answered for 0 s; giving up after 4 s more"]


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "LIST"])
def test_a_bucket_that_stays_silent_is_given_up(side: Side, method: str) -> None:
    side.put_here()
    if method in ("GET", "LIST"):
        side.put_there()
    elsewhere = LocalStore(side.folder / "nothing")
    transfers: dict[str, Callable[[BucketTransport], Iterable[object]]] = {
        "PUT": lambda transport: transport.push(SIZES),
        "GET": lambda transport: transport.fetch(SIZES, Inbox(elsewhere, elsewhere.root)),
        "HEAD": lambda transport: transport.lacking(SIZES),
        "LIST": lambda transport: transport.list_held(),
    }
    there = side.contents_there()
    side.server.fault = Fault(method, "stall")
    told: list[str] = []
    with (
        side.open_transport(side.store, told.append) as transport,
        pytest.raises(SilentHost, match=r"the bucket has not answered for [45] s") as caught,
    ):
        list(transfers[method](transport))
    assert len(told) == 1
    assert "git config theta.remote.NAME.patience 8" in caught.value.hint
    assert side.contents_there() == there
    side.server.fault = None
    assert side.push() == dict.fromkeys(OBJECTS)
    assert side.contents_there() == OBJECTS


@pytest.mark.parametrize("kind", ["cut", "slow", "stall", 500])
def test_a_download_that_fails_once_or_is_slow(side: Side, kind: str) -> None:
    side.put_there()
    side.server.fault = Fault("GET", kind, None if kind == "slow" else 1)  # type: ignore[arg-type]
    assert {type(error) for error in side.fetch().values()} <= {type(None), TransportError}
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert side.contents_here() == OBJECTS


def test_a_slow_line_is_not_silent(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an object that takes longer than anybody is patient pieces come all the while."""
    monkeypatch.setattr(google_server, "_CHUNK", 16 << 10)
    monkeypatch.setitem(globals(), "PATIENCE", Patience(tell_after=0.3, give_up_after=2))
    content = noise_bytes(1_000_000, 7)
    stored = LocalStore(side.folder / "elsewhere").put([content])
    with side.open_transport(LocalStore(side.folder / "elsewhere")) as transport:
        assert [one.error for one in transport.push({stored.oid: stored.size})] == [None]
    side.server.fault = Fault("GET", "slow")
    with side.open_transport(side.store) as transport:
        inbox = Inbox(side.store, side.store.root)
        assert [one.error for one in transport.fetch({stored.oid: stored.size}, inbox)] == [None]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that a line of 200 kB/s carries in half a second, as one of 10 MB/s carries those of S3."""
    monkeypatch.setattr(bucket, "_PART", 100_000)
    monkeypatch.setattr(google_server, "_LEAST_PART", 100_000)
    monkeypatch.setitem(globals(), "PATIENCE", Patience(tell_after=1, give_up_after=3))


@pytest.mark.parametrize("count", [1, 10])
def test_an_upload_over_a_slow_line_is_not_silent(
    side: Side, small_parts: None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight parts under way would take four seconds, of which nobody hears anything."""
    contents = [noise_bytes(1_000_000 // count, seed) for seed in range(count)]
    sizes = {stored.oid: stored.size for stored in map(side.store.put, ([content] for content in contents))}
    with SlowLine(side.server.url, 200_000) as line:
        monkeypatch.setenv("GOOGLE_BASE_URL", line.url)
        with side.open_transport(side.store) as transport:
            assert [one.error for one in transport.push(sizes)] == [None] * count
    assert sorted(side.contents_there().values()) == sorted(contents)
    assert line.carried < 1_100_000  # nothing was sent twice


@pytest.mark.parametrize("count", [1, 10])
def test_a_slow_line_that_falls_silent_is_given_up(
    side: Side, small_parts: None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [noise_bytes(1_000_000 // count, seed) for seed in range(count)]
    sizes = {stored.oid: stored.size for stored in map(side.store.put, ([content] for content in contents))}
    with SlowLine(side.server.url, 1_000_000) as line:
        monkeypatch.setenv("GOOGLE_BASE_URL", line.url)
        line.stalls_at = 350_000
        with side.open_transport(side.store) as transport, pytest.raises(SilentHost):
            list(transport.push(sizes))
    assert side.contents_there().keys() < sizes.keys()


def test_a_disk_of_ours_that_is_full(side: Side, mounted: Callable[[Path, int], Disk]) -> None:
    side.put_there()
    disk = mounted(side.folder / "ours", 1)
    disk.remount(f"size={400_000}")
    with pytest.raises(StoreError, match=os.strerror(errno.ENOSPC)):
        side.fetch()
    assert side.contents_here().items() <= OBJECTS.items()
    disk.remount("size=8m")
    assert side.fetch() == dict.fromkeys(OBJECTS)
    assert side.contents_here() == OBJECTS


@pytest.mark.genuine  # a group of processes is killed: all of it dies at once
def test_a_pusher_that_is_killed_leaves_no_commit_without_its_objects(side: Side, sandbox: Sandbox) -> None:
    sandbox.theta("install")
    track_and_commit(sandbox, {MODEL: model(0)})
    bare = Sandbox.create(side.folder / "R.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    sandbox.git("config", "theta.remote.origin.url", side.url)
    number = 0
    for _ in kill_at_random(["git", "push", "-q", "origin", "main"], sandbox.root, KILLS, seconds=1):
        there = side.contents_there()
        assert all(hashlib.sha256(content).hexdigest() == oid for oid, content in there.items())
        if bare.git("for-each-ref").stdout:
            text = bare.git("show", f"main:{MODEL}").stdout.encode(errors="surrogateescape")
            assert decode_manifest(text).objects().keys() <= there.keys()
        if is_pushed(sandbox, bare):
            number += 1
            sandbox.write(MODEL, model(number))
            sandbox.commit(f"trained {number}")
    sandbox.git("push", "-q", "origin", "main")
    clone = Sandbox.clone(bare, side.folder / "clone", "-c", f"theta.remote.origin.url={side.url}")
    assert clone.read(MODEL) == model(number)


def is_pushed(sandbox: Sandbox, bare: Sandbox) -> bool:
    return sandbox.git("rev-parse", "HEAD").stdout.strip() in bare.git("for-each-ref").stdout
