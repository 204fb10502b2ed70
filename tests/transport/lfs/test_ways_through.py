"""Proxies, certificates and .netrc: where git-lfs gets through, our own questions do, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.store.local import LocalStore
from git_theta.testing.transfers import CONTENTS, SIZES
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox
from tests.servers.certificates import make_certificate, server_context
from tests.servers.forward_proxy import ForwardProxy
from tests.servers.lfs_server import LfsRepository, LfsServer

HOST = "weights.example"
"""Which no name server knows."""
NAMES = f"IP:127.0.0.1,DNS:{HOST}"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(autouse=True)
def _in_the_repository(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    sandbox.git("config", "lfs.transfer.maxretries", "1")
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture
def remote(server: LfsServer, tmp_path: Path) -> LfsRepository:
    return server.add_repository(tmp_path / "remote")


def port_of(server: LfsServer) -> int:
    return int(server.root.rpartition(":")[2])


def move_host(remote: LfsRepository, server: LfsServer) -> None:
    """Have the server say that it is at HOST."""
    remote.url = remote.url.replace(server.root, f"{server.root.partition(':')[0]}://{HOST}")


def open_transport(sandbox: Sandbox, url: str) -> LfsTransport:
    repository = discover_repository(sandbox.root)
    store = LocalStore(repository.theta_dir)
    for content in CONTENTS:
        store.put([content])
    return LfsTransport(parse_endpoint(url), repository, store, {}, print, ask=False)


def push_verified(sandbox: Sandbox, remote: LfsRepository) -> None:
    transport = open_transport(sandbox, remote.url)
    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert transport.unverified == ""
    assert {file.name for file in remote.folder.iterdir()} == {oid for oid, size in SIZES.items() if size}


@pytest.mark.parametrize("told", ["configuration", "http_proxy", "all_proxy"])
def test_through_a_proxy(
    sandbox: Sandbox, server: LfsServer, remote: LfsRepository, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_host(remote, server)
    with ForwardProxy({HOST: port_of(server)}, "me:secret") as proxy:
        url = proxy.url.replace("//", "//me:secret@")
        if told == "configuration":
            sandbox.git("config", "http.proxy", url)
            push_verified(sandbox, remote)
        else:
            monkeypatch.setenv(told, url)
            assert open_transport(sandbox, remote.url).lacking(SIZES)
    assert set(proxy.asked) <= {("POST", HOST), ("PUT", HOST)}
    assert proxy.asked


def test_past_a_proxy(
    sandbox: Sandbox, server: LfsServer, remote: LfsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no_proxy names goes past it, whoever named the proxy; and an empty http.proxy means none."""
    with ForwardProxy({}) as proxy:
        sandbox.git("config", "http.proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        push_verified(sandbox, remote)
        monkeypatch.delenv("no_proxy")
        with pytest.raises(TransportError, match="502"):
            open_transport(sandbox, remote.url).lacking(SIZES)
        sandbox.git("config", "http.proxy", "")
        monkeypatch.setenv("http_proxy", proxy.url)
        assert open_transport(sandbox, remote.url).lacking(SIZES) == []
    assert proxy.asked and {host for _, host in proxy.asked} == {"127.0.0.1"}


def test_a_proxy_that_we_do_not_speak_to_is_left_to_git_lfs(sandbox: Sandbox, remote: LfsRepository) -> None:
    """On loopback git-lfs goes past every proxy."""
    sandbox.git("config", "http.proxy", "socks5://me:secret@127.0.0.1:1")
    transport = open_transport(sandbox, remote.url)
    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert "socks5://127.0.0.1:1" in transport.unverified
    assert {file.name for file in remote.folder.iterdir()} == {oid for oid, size in SIZES.items() if size}


@needs_openssl
def test_a_certificate_that_nobody_knows_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    own = make_certificate(tmp_path, "host", NAMES)
    with LfsServer(tls=server_context(own)) as server:
        remote = server.add_repository(tmp_path / "remote")
        with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
            open_transport(sandbox, remote.url).lacking(SIZES)
        sandbox.git("config", f"http.{server.root}.sslCAInfo", str(own.file))
        push_verified(sandbox, remote)
        sandbox.git("config", f"http.{server.root}.sslCAInfo", str(tmp_path / "nowhere.pem"))
        with pytest.raises(TransportError, match=r"nowhere\.pem cannot be read"):
            open_transport(sandbox, remote.url).lacking(SIZES)
        sandbox.git("config", "--unset", f"http.{server.root}.sslCAInfo")
        sandbox.git("config", "http.sslVerify", "false")
        push_verified(sandbox, remote)


@needs_openssl
def test_tls_through_a_proxy(sandbox: Sandbox, tmp_path: Path) -> None:
    own = make_certificate(tmp_path, "host", NAMES)
    with LfsServer(tls=server_context(own)) as server, ForwardProxy({HOST: port_of(server)}) as proxy:
        remote = server.add_repository(tmp_path / "remote")
        move_host(remote, server)
        sandbox.git("config", "http.proxy", proxy.url)
        sandbox.git("config", "http.sslCAInfo", str(own.file))
        push_verified(sandbox, remote)
    assert set(proxy.asked) == {("CONNECT", HOST)}


@needs_openssl
@pytest.mark.parametrize("password", ["", "secret"])
def test_a_server_that_wants_a_certificate_of_ours(sandbox: Sandbox, tmp_path: Path, password: str) -> None:
    own, ours = make_certificate(tmp_path, "host"), make_certificate(tmp_path, "me", password=password)
    with LfsServer(tls=server_context(own, ours)) as server:
        remote = server.add_repository(tmp_path / "remote")
        sandbox.git("config", "http.sslCAInfo", str(own.file))
        with pytest.raises(TransportError, match="cannot be asked"):
            open_transport(sandbox, remote.url).lacking(SIZES)
        sandbox.git("config", f"http.{server.root}.sslCert", str(ours.file))
        sandbox.git("config", f"http.{server.root}.sslKey", str(ours.key))
        if password:
            with pytest.raises(TransportError, match=r"me\.pem, or its key, cannot be read"):
                open_transport(sandbox, remote.url).lacking(SIZES)
            sandbox.git("config", "credential.helper", f"!f() {{ echo password={password}; }}; f")
            assert open_transport(sandbox, remote.url).lacking(SIZES)  # git-lfs 3.3 does not read keys of this form
        else:
            push_verified(sandbox, remote)


@pytest.mark.parametrize("password", ["plain", "stale"])
def test_what_a_netrc_says_is_tried_before_anybody_is_asked(
    sandbox: Sandbox, remote: LfsRepository, home: Path, password: str
) -> None:
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {password}\n")
    (home / ".netrc").chmod(0o600)
    remote.credentials = ("me", "plain")
    transport = open_transport(sandbox, remote.url)
    if password == "stale":
        with pytest.raises(TransportError, match="wants a user and password"):
            list(transport.push(SIZES))
        sandbox.git("config", "credential.helper", "!f() { echo username=me; echo password=plain; }; f")
        assert open_transport(sandbox, remote.url).lacking(SIZES)
    else:
        push_verified(sandbox, remote)
