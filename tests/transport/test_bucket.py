"""The bucket transport runs the kit: against a server that speaks S3, and against obstore's own store in memory."""

from __future__ import annotations

import os
import shutil
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from git_theta.errors import TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.testing.transports import TransportLaws
from git_theta.transport import bucket as bucket_transport
from git_theta.transport.base import Outcome, Transport
from git_theta.transport.bucket import BucketTransport
from git_theta.transport.bucket_access import describe_refusal, open_bucket
from tests.sandbox import Sandbox, model, track_and_commit
from tests.servers.loopback import LoopbackServer
from tests.transport.bucket_server import CREDENTIALS, make_bucket, running_bucket_server

obstore = pytest.importorskip("obstore")
pytest.importorskip("moto.server", reason="moto[server] is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that speaks S3."""
    with running_bucket_server() as url:
        yield url


def key(oid: str) -> str:
    return f"{oid[:2]}/{oid[2:4]}/{oid}"


class BucketLaws(TransportLaws):
    def bucket_of(self, folder: Path) -> Any:
        raise NotImplementedError

    def open_transport(self, folder: Path, ours: Store) -> Transport:
        return BucketTransport(ours, self.bucket_of(folder), print)

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        bucket = self.bucket_of(folder)
        paths = [entry["path"] for page in obstore.list(bucket) for entry in page]
        found = {path.rpartition("/")[2]: bytes(obstore.get(bucket, path).bytes()) for path in paths}
        assert sorted(map(key, found)) == sorted(paths)
        return found

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        obstore.put(self.bucket_of(folder), key(oid), content)

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        """A bucket that answers 200 and keeps nothing."""
        with mock.patch.object(obstore, "put", lambda *_, **__: None):
            yield


class TestInMemory(BucketLaws):
    @cache  # noqa: B019 (as long as a test)
    def bucket_of(self, folder: Path) -> Any:
        return obstore.store.MemoryStore()


class TestOverS3(BucketLaws):
    @pytest.fixture(autouse=True)
    def endpoint(self, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server}.items():
            monkeypatch.setenv(name, value)
        self.bucket = make_bucket(server, os.fspath(tmp_path))

    def bucket_of(self, folder: Path) -> Any:
        return open_bucket(f"s3://{self.bucket}/team/{folder.name}", {})


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty bucket with a prefix, whose credentials are in the environment."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    return f"s3://{make_bucket(server, os.fspath(tmp_path))}/team/a"


def store_with(contents: Iterable[bytes]) -> tuple[MemoryStore, dict[str, int]]:
    """A store that has them, and their sizes by id."""
    store = MemoryStore()
    return store, dict(store.put([content]) for content in contents)


def errors_of(outcomes: Iterable[Outcome]) -> dict[str, str]:
    return {one.oid: f"{type(one.error).__name__}: {one.error}" for one in outcomes if one.error}


def test_large_objects_go_in_parts_and_come_in_segments(
    bucket: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_transport, "_SEGMENT", 5 << 20)
    size = (17 << 20) + 3
    content = noise_bytes(size, 1)
    ours, sizes = store_with([content])
    with BucketTransport(ours, open_bucket(bucket, {}), print) as transport:
        assert errors_of(transport.push(sizes)) == {}
    tag = obstore.head(open_bucket(bucket, {}), key(*sizes))["e_tag"]
    assert tag.strip('"').endswith("-4")  # as S3 marks what came in four parts
    theirs = MemoryStore()
    with BucketTransport(theirs, open_bucket(bucket, {}), print) as transport:
        assert errors_of(transport.fetch(sizes, Inbox(theirs, tmp_path))) == {}
    assert theirs.size(*sizes) == size


def test_of_a_large_object_that_is_damaged_no_part_is_left(bucket: str, server: str) -> None:
    content = noise_bytes(17 << 20, 1)
    ours, sizes = store_with([content])
    ours._objects[next(iter(sizes))] = content[:-1] + b"\0"
    with BucketTransport(ours, open_bucket(bucket, {}), print) as transport:
        assert "damaged" in errors_of(transport.push(sizes))[next(iter(sizes))]
    name = bucket.split("/")[2]
    with urllib.request.urlopen(f"{server}/{name}?uploads") as listing:
        assert b"<Upload>" not in listing.read()
    assert list(obstore.list(open_bucket(bucket, {}))) == []


def test_many_objects_are_listed_not_asked_for_one_by_one(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, sizes = store_with(b"%d" % number for number in range(60))
    asked: list[str] = []
    real = obstore.head

    def watch(store: Any, path: str) -> Any:
        asked.append(path)
        return real(store, path)

    monkeypatch.setattr(obstore, "head", watch)
    with BucketTransport(ours, open_bucket(bucket, {}), print) as transport:
        assert sorted(transport.lacking(sizes)) == sorted(sizes)
        assert errors_of(transport.push(sizes)) == {}
        assert transport.lacking(sizes) == []
        assert asked == []
        monkeypatch.setattr(bucket_transport, "_PAGE", 5)  # a bucket in which ours are few
        assert transport.lacking(dict(list(sizes.items())[:20])) == []
    assert 0 < len(asked) <= 20


def test_a_fetch_goes_on_where_it_was_cut(bucket: str, tmp_path: Path) -> None:
    content = noise_bytes(100_000, 1)
    ours, sizes = store_with([content])
    with BucketTransport(ours, open_bucket(bucket, {}), print) as transport:
        list(transport.push(sizes))
        (oid,) = sizes
        assert b"".join(transport.read_object(oid, len(content), 99_000)) == content[99_000:]


@pytest.mark.parametrize(
    ("url", "words"),
    [("s3://no-such-bucket-anywhere/x", "NoSuchBucket"), ("s3://", "s3://BUCKET/PREFIX"), ("az://x/y", "Account")],
)
def test_a_bucket_that_is_not_there_is_an_error_of_the_remote(
    url: str, words: str, bucket: str, tmp_path: Path
) -> None:
    ours, sizes = store_with([b"one"])
    for ask in (
        lambda transport: transport.lacking(sizes),
        lambda transport: list(transport.push(sizes)),
        lambda transport: list(transport.fetch({**sizes, "0" * 64: 5}, Inbox(MemoryStore(), tmp_path))),
    ):
        with pytest.raises(TransportError) as caught, BucketTransport(ours, open_bucket(url, {}), print) as transport:
            ask(transport)
        assert words in f"{caught.value} {caught.value.hint}"
        assert "AWS_ACCESS_KEY_ID" in caught.value.hint or "AZURE_STORAGE_ACCOUNT_NAME" in caught.value.hint


def test_nothing_secret_is_told() -> None:
    words = (
        "Generic S3 error: Error performing PUT https://me:word@host/b/k?X-Amz-Signature=abc in 1ms - 403 Forbidden: "
        "<?xml?><Error><Code>AccessDenied</Code><Message>No</Message><StringToSign>abc</StringToSign></Error>\n\n"
        "Debug source:\nheaders: authorization=abc"
    )
    told = describe_refusal(Exception(words))
    assert "https://host/b/k" in told and told.endswith("403 Forbidden: AccessDenied: No")
    assert "abc" not in told and "word" not in told and "\n" not in told


def test_a_server_that_does_not_let_us_in_is_an_error_of_the_remote(
    refusing_server: str, bucket: str, tmp_path: Path
) -> None:
    ours, sizes = store_with([b"one"])
    for ask in (
        lambda transport: transport.lacking(sizes),
        lambda transport: list(transport.fetch(sizes, Inbox(MemoryStore(), tmp_path))),
    ):
        with pytest.raises(TransportError, match="403") as caught:
            ask(BucketTransport(ours, open_bucket(bucket, {"endpoint": refusing_server}), print))
        assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
        assert "a-secret-word" not in f"{caught.value}{caught.value.hint}"


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """A server that answers everybody 403."""

    class Refuse(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_error(403)

        do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815

    with LoopbackServer(Refuse) as server:
        yield server.url


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(TransportError) as caught:
        open_bucket("s3://bucket", {})
    assert caught.value.hint == "pip install 'git-theta[buckets]'"


def test_push_and_clone(bucket: str, tmp_path: Path, sandbox: Sandbox) -> None:
    """The commits go to a server that would not take the weights; a second person has the bucket's key, too."""
    sandbox.theta("install")
    content = model(1)
    track_and_commit(sandbox, {"model.safetensors": content})
    bare = Sandbox.create(tmp_path / "R.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    sandbox.git("config", "theta.remote.origin.url", bucket)
    done = sandbox.git("push", "origin", "main")
    assert "pushed" in done.stderr
    assert not (bare.root / "theta").exists()
    shutil.rmtree(sandbox.root)
    clone = Sandbox.clone(bare, tmp_path / "clone", "-c", f"theta.remote.origin.url={bucket}")
    assert clone.read("model.safetensors") == content
    assert clone.git("status", "--porcelain").stdout == ""


def test_how_often_a_bucket_was_asked_is_left_out() -> None:
    words = "HEAD http://host/b/aa in 860.93ms, after 4 retries, max_retries: 4, retry_timeout: 90s  - HTTP error"
    assert describe_refusal(Exception(words)) == "HEAD http://host/b/aa: HTTP error"
    assert (
        describe_refusal(Exception("GET http://host/b in 17µs - 404 Not Found")) == "GET http://host/b: 404 Not Found"
    )
