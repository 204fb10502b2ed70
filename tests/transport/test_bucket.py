"""The bucket transport runs the kit: against a server that speaks S3, and against obstore's own store in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from git_theta.store.base import Store
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.bucket import BucketTransport
from git_theta.transport.bucket_access import open_bucket
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
        return BucketTransport(ours, self.bucket_of(folder))

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
