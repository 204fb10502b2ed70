"""The transport for Git LFS hosts runs the kit, through git-lfs, against real servers."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import TransportError
from git_theta.repository.stores.object_stores import open_store
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.transfers import CONTENT, CONTENTS, OBJECTS, OID, SIZES
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.lfs import git_lfs, lfs_transport
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.vcs.discovery import Repository, discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import Fault, LfsServer


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


@pytest.fixture(scope="module")
def dulwich_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The endpoint of dulwich's server, and the folder of its objects: somebody else's idea of the protocol."""
    from dulwich.lfs_server import run_lfs_server

    folder = tmp_path_factory.mktemp("dulwich")
    server, url = run_lfs_server(host="127.0.0.1", lfs_dir=str(folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield url, folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_somebody_elses_server(dulwich_url: tuple[str, Path], repository: Repository, tmp_path: Path) -> None:
    url, folder = dulwich_url
    ours, fresh = LocalStore(tmp_path / "ours"), LocalStore(tmp_path / "fresh")
    for content in CONTENTS:
        ours.put([content])
    with LfsTransport(parse_endpoint(url), repository, ours, {}, print, ask=False) as transport:
        assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
        assert transport.lacking(SIZES) == []
    assert {file.name for file in folder.glob("objects/??/??/*")} == {oid for oid, size in SIZES.items() if size}
    with LfsTransport(parse_endpoint(url), repository, fresh, {}, print, ask=False) as transport:
        done = list(transport.fetch(SIZES, Inbox(fresh, fresh.root)))
    assert [one.error for one in done] == [None] * len(SIZES)
    assert sorted(fresh.oids()) == sorted(OBJECTS)


@pytest.mark.parametrize("version", [(3, 0), (3, 3)])
def test_ids_are_arguments_where_git_lfs_does_not_read_them(
    version: tuple[int, int], server: LfsServer, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = LocalStore(tmp_path / "ours")
    for content in CONTENTS:
        ours.put([content])
    remote = server.add_repository(tmp_path / "remote")
    monkeypatch.setattr(git_lfs, "_find_version", lambda: version)
    started: list[list[str]] = []
    real = subprocess.Popen

    def start(words: list[str], **options: Any) -> Any:
        started.append(words)
        return real(words, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    with LfsTransport(parse_endpoint(remote.url), repository, ours, {}, print, ask=False) as transport:
        assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    (words,) = (one for one in started if "--object-id" in one)
    assert ("--stdin" in words, words[-1] in OBJECTS) == (version == (3, 3), version == (3, 0))


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([300, 10, 210], [[10, 210], [300]]),
        ([900], [[900]]),
        ([1000, 900, 5], [[5], [900, 1000]]),
        ([600] * 9, [[600], [600] * 4, [600] * 4]),
        ([0] * 2500, [[0] * 1000, [0] * 1000, [0] * 500]),
    ],
    ids=["small", "one", "large", "many large", "many"],
)
def test_what_git_lfs_is_given_at_a_time(sizes: list[int], runs: list[list[int]]) -> None:
    """Little at first, since all of it is hashed before anything is sent; then some for each of its connections."""
    objects = {f"{number:064x}": size << 20 for number, size in enumerate(sizes)}
    parts = list(lfs_transport._split(objects))
    assert [[size >> 20 for size in part.values()] for part in parts] == runs
    assert {oid: size for part in parts for oid, size in part.items()} == objects


def test_what_a_process_that_was_killed_left_is_swept(repository: Repository) -> None:
    """A scratch repository is a folder, which may hold gigabytes."""
    with subprocess.Popen(["true"]) as process:
        pass
    left = repository.theta_dir / "tmp" / f"{process.pid}-0a"
    (left / "lfs").mkdir(parents=True)
    (left / "lfs/object").write_bytes(b"half of one")
    (left / "lfs/object").chmod(0o444)
    os.utime(left, (0, 0))
    open_store(repository)
    assert not left.exists()


def test_push_asks_once_for_a_hundred(server: LfsServer, repository: Repository, tmp_path: Path) -> None:
    ours = LocalStore(tmp_path / "ours")
    sizes = {stored.oid: stored.size for stored in (ours.put([b"%d" % number]) for number in range(150))}
    remote = server.add_repository(tmp_path / "remote")
    with LfsTransport(parse_endpoint(remote.url), repository, ours, {}, print, ask=False) as transport:
        assert len(transport.lacking(sizes)) == 150
        assert [one.error for one in transport.push(sizes)] == [None] * 150
    batches = [one for one in remote.requests if one == ("POST", "objects/batch")]
    assert len(batches) == 2 + 2 + 2  # before, git-lfs's own, and after


def test_a_host_that_never_ends_does_not_fill_the_disk(
    server: LfsServer, repository: Repository, tmp_path: Path
) -> None:
    fresh, remote = LocalStore(tmp_path / "fresh"), server.add_repository(tmp_path / "remote")
    remote.place_of(OID).write_bytes(CONTENT)
    remote.fault = Fault("download", "endless")
    with (
        LfsTransport(parse_endpoint(remote.url), repository, fresh, {}, print, ask=False) as transport,
        pytest.raises(TransportError, match=f"the host sends far more than the {SIZES[OID]} bytes of object {OID}"),
    ):
        list(transport.fetch({OID: SIZES[OID]}, Inbox(fresh, fresh.root)))
    assert list(fresh.oids()) == []
    assert list((repository.theta_dir / "tmp").iterdir()) == []


def test_a_server_that_says_404_where_it_has_none_of_the_objects(
    repository: Repository, server: LfsServer, tmp_path: Path
) -> None:
    """As giftless does, for a repository that is there."""
    ours, remote = LocalStore(tmp_path / "ours"), server.add_repository(tmp_path / "remote")
    remote.refuses_as_one = True
    sizes = {ours.put([content]).oid: len(content) for content in CONTENTS if content}
    with LfsTransport(parse_endpoint(remote.url), repository, ours, {}, print, ask=False) as transport:
        assert transport.lacking(sizes) == list(sizes)
        assert [one.error for one in transport.push(sizes)] == [None] * len(sizes)
        assert transport.lacking(sizes) == []
    remote.fault = Fault("batch", 404)
    with (
        LfsTransport(parse_endpoint(remote.url), repository, ours, {}, print, ask=False) as transport,
        pytest.raises(TransportError, match="answered 404"),
    ):
        transport.lacking(sizes)
