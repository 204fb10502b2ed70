"""The bucket transport runs the kit against a server of our own that speaks Google Cloud Storage's XML API."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.bucket import BucketTransport
from git_theta.transport.bucket_access import open_bucket
from tests.sandbox import Sandbox, model, track_and_commit

pytest.importorskip("obstore")
pytest.importorskip("cryptography", reason="signatures are checked with it")

from tests.transport.google_server import Fault, GoogleServer
from tests.transport.test_bucket import BucketLaws, errors_of, store_with


@pytest.fixture(scope="module")
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def bucket(server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty one, whose credentials and server are in the environment."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", os.fspath(server.write_account(tmp_path)))
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)
    server.fault = None
    return server.make_bucket(os.fspath(tmp_path))


class TestOverGoogle(BucketLaws):
    @pytest.fixture(autouse=True)
    def place(self, server: GoogleServer, bucket: str) -> None:
        self.server, self.bucket = server, bucket

    def bucket_of(self, folder: Path) -> Any:
        return open_bucket(f"gs://{self.bucket}/team/{folder.name}", {"endpoint": self.server.url})

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        self.server.fault = Fault("PUT", "lost")
        yield
        self.server.fault = None


def test_large_objects_ages_and_deletion(server: GoogleServer, bucket: str, tmp_path: Path) -> None:
    ours, sizes = store_with([noise_bytes((20 << 20) + 3, 1), b"small"])
    place = open_bucket(f"gs://{bucket}/team", {})
    with BucketTransport(ours, place, print) as transport:
        assert errors_of(transport.push(sizes)) == {}
        assert [verb for verb, *_ in server.requests].count("POST") == 2  # an upload in parts, begun and completed
        assert server.uploads == {}
        theirs = MemoryStore()
        assert errors_of(transport.fetch(sizes, Inbox(theirs, tmp_path))) == {}
        assert {oid: theirs.size(oid) for oid in sizes} == sizes
        held = list(transport.list_held())
        assert {one.oid: one.size for one in held} == sizes
        assert all(one.moment for one in held)
        first = next(iter(sizes))
        transport.drop_objects([first, first])
        assert transport.lacking(sizes) == [first]


def test_of_a_large_object_that_is_damaged_no_part_is_left(server: GoogleServer, bucket: str) -> None:
    content = noise_bytes(17 << 20, 1)
    ours, sizes = store_with([content])
    ours._objects[next(iter(sizes))] = content[:-1] + b"\0"
    with BucketTransport(ours, open_bucket(f"gs://{bucket}/team", {}), print) as transport:
        assert "damaged" in errors_of(transport.push(sizes))[next(iter(sizes))]
    assert server.buckets[bucket] == {}
    assert server.uploads == {}


def test_lists_that_come_in_pages(bucket: str) -> None:
    """Google's pages have 1,000 objects."""
    ours, sizes = store_with(b"%d" % number for number in range(1200))
    with BucketTransport(ours, open_bucket(f"gs://{bucket}/team", {}), print) as transport:
        assert errors_of(transport.push(sizes)) == {}
        assert transport.lacking(sizes) == []
        assert len(list(transport.list_held())) == 1200


@pytest.mark.parametrize("way", ["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY", "gcloud"])
def test_credentials_are_found(way: str, bucket: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the how-to says; each bucket above is opened with GOOGLE_APPLICATION_CREDENTIALS."""
    file = Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"])
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    if way == "gcloud":  # where `gcloud auth application-default login` puts its own
        (home / ".config" / "gcloud").mkdir(parents=True)
        shutil.copy(file, home / ".config" / "gcloud" / "application_default_credentials.json")
    else:
        monkeypatch.setenv(way, file.read_text() if way.endswith("_KEY") else os.fspath(file))
    ours, sizes = store_with([b"one"])
    with BucketTransport(ours, open_bucket(f"gs://{bucket}/team", {}), print) as transport:
        assert errors_of(transport.push(sizes)) == {}


def test_a_bucket_that_everybody_may_read(server: GoogleServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setattr(server, "is_public", True)
    ours, sizes = store_with([b"one"])
    with BucketTransport(ours, open_bucket(f"gs://{bucket}/team", {}), print) as transport:
        assert transport.lacking(sizes) == list(sizes)


def test_a_key_that_does_not_let_us_in_is_an_error_of_the_remote(
    server: GoogleServer, bucket: str, tmp_path: Path
) -> None:
    account = server.write_account(tmp_path, known=False)
    ours, sizes = store_with([b"one"])
    with BucketTransport(ours, open_bucket(f"gs://{bucket}/team", {}), print) as transport:
        for ask in (transport.lacking, lambda objects: transport.fetch(objects, Inbox(ours, tmp_path))):
            with pytest.raises(TransportError, match="401") as caught:
                list(ask({**sizes, "0" * 64: 5}))
            assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint
    for secret in account.read_text().split('"'):
        assert len(secret) < 40 or secret not in f"{caught.value}{caught.value.hint}"


def test_push_and_clone(server: GoogleServer, bucket: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """The commits go to a server that would not take the weights; a second person has the bucket's key, too."""
    sandbox.theta("install")
    content = model(1)
    track_and_commit(sandbox, {"model.safetensors": content})
    bare = Sandbox.create(tmp_path / "R.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    sandbox.git("config", "theta.remote.origin.url", f"gs://{bucket}/team")
    assert "pushed" in sandbox.git("push", "origin", "main").stderr
    assert server.buckets[bucket]
    shutil.rmtree(sandbox.root)
    clone = Sandbox.clone(bare, tmp_path / "clone", "-c", f"theta.remote.origin.url=gs://{bucket}/team")
    assert clone.read("model.safetensors") == content
    assert clone.git("status", "--porcelain").stdout == ""


def test_a_push_whose_objects_a_bucket_loses_moves_no_ref(
    server: GoogleServer, bucket: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.theta("install")
    track_and_commit(sandbox, {"model.safetensors": model(1)})
    bare = Sandbox.create(tmp_path / "R.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    sandbox.git("config", "theta.remote.origin.url", f"gs://{bucket}/team")
    server.fault = Fault("PUT", "lost")
    done = sandbox.git("push", "origin", "main", check=False)
    assert done.returncode
    assert "model.safetensors" in done.stderr
    assert bare.git("for-each-ref").stdout == ""
    server.fault = None
    sandbox.git("push", "origin", "main")
