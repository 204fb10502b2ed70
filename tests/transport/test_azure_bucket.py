"""The bucket transport runs the kit against a server that speaks Azure's protocol, where one is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_theta.testing.blocks import noise_bytes
from git_theta.transport.bucket import BucketTransport
from git_theta.transport.bucket_access import open_bucket
from tests.transport.azure_server import CREDENTIALS, PROGRAM, make_container, running_azure_server
from tests.transport.test_bucket import BucketLaws, store_with

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="azurite-blob is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_azure_server(tmp_path_factory.mktemp("azurite")) as url:
        yield url


@pytest.fixture
def container(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty one, whose credentials are in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return make_container(server, os.fspath(tmp_path))


class TestOverAzure(BucketLaws):
    @pytest.fixture(autouse=True)
    def endpoint(self, server: str, container: str) -> None:
        self.server, self.container = server, container

    def bucket_of(self, folder: Path) -> Any:
        return open_bucket(f"az://{self.container}/team/{folder.name}", {"endpoint": self.server})


def test_large_objects_ages_and_deletion(server: str, container: str) -> None:
    bucket = open_bucket(f"az://{container}/team", {"endpoint": server})
    ours, sizes = store_with([noise_bytes(20 << 20, 1), b"small"])
    with BucketTransport(ours, bucket, print) as transport:
        assert [one.error for one in transport.push(sizes)] == [None, None]
        held = list(transport.list_held())
        assert {one.oid: one.size for one in held} == sizes
        assert all(one.moment for one in held)
        first = next(iter(sizes))
        transport.drop_objects([first])
        assert transport.lacking(sizes) == [first]
