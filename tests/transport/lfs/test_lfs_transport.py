"""The transport for Git LFS hosts runs the kit, through git-lfs, against real servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from git_theta.store.base import Store
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.vcs.discovery import Repository, discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import LfsServer


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture(scope="module")
def repository(sealed_session: None, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The one that all tests of this module are in: each has a store and a remote of its own."""
    return discover_repository(Sandbox.create(tmp_path_factory.mktemp("lfs") / "repository", install=False).root)


@pytest.fixture(autouse=True)
def _leaves_nothing(repository: Repository) -> Iterator[None]:
    before = (repository.git_dir / "config").read_bytes()
    yield
    assert list((repository.theta_dir / "tmp").glob("*")) == []
    assert (repository.git_dir / "config").read_bytes() == before
    assert not (repository.git_dir / "lfs").exists()


class TestOntoOurServer(TransportLaws):
    moves_empty = False

    @pytest.fixture(autouse=True)
    def _set_up(self, repository: Repository, server: LfsServer) -> None:
        self.repository, self.server = repository, server

    def open_transport(self, folder: Path, ours: Store) -> Transport:
        endpoint = parse_endpoint(self.server.add_repository(folder).url)
        return LfsTransport(endpoint, self.repository, ours, {}, print, ask=False)

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        self.server.add_repository(folder).place_of(oid).write_bytes(content)

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        repository = self.server.add_repository(folder)
        repository.losing = True
        yield
        repository.losing = False
