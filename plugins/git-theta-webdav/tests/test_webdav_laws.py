"""The transport runs Git-Theta's conformance kit against a real server, and what the kit cannot ask."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest
from git_theta.errors import TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import TRANSPORTS, Outcome, Transport, TransportSetup
from git_theta.transport.patience import Patience, SilentHost
from git_theta.transport.whole_objects import WORKERS
from tests.servers.certificates import make_certificate, server_context
from tests.servers.dav_server import USER, DavServer, running_server
from tests.servers.forward_proxy import ForwardProxy
from tests.servers.slow_line import SlowLine

from git_theta_webdav.webdav_transport import SecureWebdavTransport, WebdavTransport

OBJECTS = [bytes([number]) * (1000 + number) for number in range(WORKERS + 4)]
SIZES = {hashlib.sha256(content).hexdigest(): len(content) for content in OBJECTS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    with running_server(tmp_path_factory.mktemp("served")) as running:
        yield running


def open_folder(server: DavServer, path: str, ours: Store) -> Transport:
    return WebdavTransport.open_url(TransportSetup(f"webdav://{server.url}/{path}"), ours)


def fill_store() -> MemoryStore:
    store = MemoryStore()
    for content in OBJECTS:
        store.put([content])
    return store


class TestWebdav(TransportLaws):
    @pytest.fixture(autouse=True)
    def _served(self, server: DavServer) -> None:
        self.server = server

    def open_transport(self, folder: Path, ours: Store) -> Transport:
        return open_folder(self.server, self._name_of(folder), ours)

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        there = self.server.folder / self._name_of(folder)
        return {file.name: file.read_bytes() for file in there.glob("??/*")}

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        file = self.server.folder / self._name_of(folder) / oid[:2] / oid
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def losing(self, folder: Path) -> AbstractContextManager[object]:
        return mock.patch.object(self.server, "loses", True)

    @staticmethod
    def _name_of(folder: Path) -> str:
        return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def test_they_are_installed_under_their_names() -> None:
    assert TRANSPORTS.load_plugin("webdav") is WebdavTransport
    assert TRANSPORTS.load_plugin("webdavs") is SecureWebdavTransport


def test_folders_are_made_with_all_above_them(server: DavServer) -> None:
    with open_folder(server, "a team/models/ß%2B", fill_store()) as transport:
        assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    there = server.folder / "a team/models/ß+"
    assert {file.name for file in there.glob("??/*")} == set(SIZES)
    assert list((there / "coming").iterdir()) == []


def test_many_objects_of_a_folder_are_asked_for_at_once(server: DavServer) -> None:
    with open_folder(server, "many", fill_store()) as transport:
        list(transport.push(SIZES))
        server.asked.clear()
        wanted = {f"ab{number:062x}": 1 for number in range(100)}
        assert len(transport.lacking(wanted)) == 100
        assert server.asked == ["PROPFIND"]


def test_what_was_begun_a_day_ago_is_swept(server: DavServer) -> None:
    coming = server.folder / "swept/coming"
    coming.mkdir(parents=True)
    for name, age in {"old": 25, "young": 23}.items():
        (coming / name).touch()
        os.utime(coming / name, (time.time() - age * 3600,) * 2)
    with open_folder(server, "swept", fill_store()) as transport:
        list(transport.push(SIZES))
    assert [file.name for file in coming.iterdir()] == ["young"]


def test_what_it_holds_is_listed_and_dropped(server: DavServer) -> None:
    with open_folder(server, "listed", fill_store()) as transport:
        assert list(transport.list_held()) == []
        list(transport.push(SIZES))
        held = list(transport.list_held())
        assert {one.oid: one.size for one in held} == SIZES
        assert all(one.moment and abs(one.moment - time.time()) < 100 for one in held)
        gone, *left = SIZES
        transport.drop_objects([gone])
        assert {one.oid for one in transport.list_held()} == set(left)


REFUSALS = {"507 Full": "no room", "413 Too Large": "no room", "500 Oops": "500"}


@pytest.mark.parametrize(("status", "said"), REFUSALS.items())
def test_what_the_server_refuses_of_one_object_is_its_error(server: DavServer, status: str, said: str) -> None:
    with open_folder(server, "refused", fill_store()) as transport, mock.patch.dict(server.refuses, {"PUT": status}):
        outcomes = list(transport.push(SIZES))
    assert {type(one.error) for one in outcomes} == {TransportError}
    assert all(one.error and said in f"{one.error.message} {one.error.hint}" for one in outcomes)


def test_a_server_that_lets_nobody_write_is_one_error(server: DavServer) -> None:
    with (
        open_folder(server, "refused", fill_store()) as transport,
        mock.patch.dict(server.refuses, {"PUT": "403 Forbidden"}),
        pytest.raises(TransportError, match="403 Forbidden"),
    ):
        list(transport.push(SIZES))


@pytest.mark.parametrize("url", ["webdav://127.0.0.1:9/x", "webdavs://127.0.0.1:9/x"])
def test_no_server_is_an_error(url: str) -> None:
    chosen = TRANSPORTS.load_plugin(url.partition(":")[0])
    with pytest.raises(TransportError), chosen.open_url(TransportSetup(url), MemoryStore()) as transport:
        transport.lacking(SIZES)


@pytest.mark.parametrize("url", ["webdav://", "webdav:///models"])
def test_an_address_without_a_host_is_told_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(TransportError, match="names no host"):
        WebdavTransport.open_url(TransportSetup(url), MemoryStore())


def test_no_webdav_server_is_an_error(server: DavServer) -> None:
    with (
        open_folder(server, "x", fill_store()) as transport,
        mock.patch.dict(server.refuses, {"PROPFIND": "200 OK"}),
        pytest.raises(TransportError, match="200 OK"),
    ):
        transport.lacking(SIZES)


def test_a_fetch_that_was_cut_goes_on(server: DavServer, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    oid = hashlib.sha256(content).hexdigest()
    place = server.folder / "cut" / oid[:2]
    place.mkdir(parents=True)
    (place / oid).write_bytes(content)
    store = MemoryStore()
    inbox = Inbox(store, tmp_path)

    def cut(offset: int) -> Iterator[bytes]:
        yield content[offset : 2 << 20]
        raise TransportError("cut")

    with pytest.raises(TransportError):
        inbox.fill(oid, len(content), cut)
    with open_folder(server, "cut", store) as transport:
        assert list(transport.fetch({oid: len(content)}, inbox)) == [Outcome(oid, len(content))]
    with store.get(oid) as stream:
        assert stream.read() == content


def open_impatient(url: str, tell: Callable[[str], None], patience: Patience) -> WebdavTransport:
    return WebdavTransport.open_url(TransportSetup(url, tell=tell, patience=patience), fill_store())


def test_a_silent_server_is_told_of(server: DavServer) -> None:
    said: list[str] = []
    patience = Patience(tell_after=0.2, give_up_after=30)
    with open_impatient(f"webdav://{server.url}/silent", said.append, patience) as transport:
        transport.lacking(SIZES)
        assert said == []
        with mock.patch.object(server, "pause", 0.6):
            transport.lacking(SIZES)
        assert said and all(line.startswith("the server has not answered for") for line in said)


def test_a_server_that_stays_silent_is_given_up(server: DavServer) -> None:
    patience = Patience(tell_after=0.2, give_up_after=0.5)
    asked: list[Callable[[WebdavTransport], Iterable[object]]] = [
        lambda transport: transport.lacking(SIZES),
        lambda transport: transport.push(SIZES),
        lambda transport: transport.list_held(),
        lambda transport: [transport.clear_damaged(next(iter(SIZES)))],
    ]
    opened = open_impatient(f"webdav://{server.url}/silent", print, patience)
    with opened as transport, mock.patch.object(server, "pause", 3):
        for ask in asked:
            with pytest.raises(SilentHost, match=r"the server has not answered for \d s"):
                list(ask(transport))


def test_an_upload_over_a_slow_line_is_not_silent(server: DavServer) -> None:
    """It takes twice as long as anybody is patient, and bytes flow all the while."""
    store = MemoryStore()
    sizes = dict(store.put([noise_bytes(800_000, seed)]) for seed in range(3))
    with SlowLine(f"http://{server.url}", 200_000) as line:
        url = line.url.replace("http", "webdav", 1)
        setup = TransportSetup(f"{url}/slow", patience=Patience(give_up_after=6))
        with WebdavTransport.open_url(setup, store) as transport:
            assert [one.error for one in transport.push(sizes)] == [None] * 3
    assert line.carried < 2_500_000  # nothing was sent twice, to make the folders in between


def test_a_slow_line_that_falls_silent_is_given_up(server: DavServer) -> None:
    with SlowLine(f"http://{server.url}", 10_000_000) as line:
        url = line.url.replace("http", "webdav", 1)
        store = MemoryStore()
        sizes = dict(store.put([noise_bytes(800_000, seed)]) for seed in range(3))
        setup = TransportSetup(f"{url}/stalled", patience=Patience(give_up_after=2))
        line.stalls_at = 500_000
        with WebdavTransport.open_url(setup, store) as transport, pytest.raises(SilentHost):
            list(transport.push(sizes))


def test_a_password_is_found_by_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$DAV_USER" "$DAV_PASSWORD"; }; f'
    config = {"COUNT": "1", "KEY_0": "credential.helper", "VALUE_0": helper}
    for key, value in config.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    with running_server(tmp_path / "served", with_password=True) as server:
        for user, password in (USER, (USER[0], "wrong")):
            monkeypatch.setenv("DAV_USER", user)
            monkeypatch.setenv("DAV_PASSWORD", password)
            with open_folder(server, "models", fill_store()) as transport:
                if password == "wrong":
                    with pytest.raises(TransportError, match="password is wrong") as caught:
                        transport.lacking(SIZES)
                    assert "wrong" not in caught.value.message.replace("password is wrong", "")
                else:
                    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)


def test_a_helper_that_hangs_is_told_of_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not to blame."""
    config = {"COUNT": "1", "KEY_0": "credential.helper", "VALUE_0": "!f() { sleep 600; }; f"}
    for key, value in config.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    said: list[str] = []
    patience = Patience(tell_after=1, give_up_after=2)
    with (
        running_server(tmp_path / "served", with_password=True) as server,
        open_impatient(f"webdav://{server.url}/models", said.append, patience) as transport,
        pytest.raises(SilentHost, match="git credential has got no answer, of a helper or of you, for"),
    ):
        transport.lacking(SIZES)
    assert len(said) == 1 and said[0].startswith("git credential has got no answer")


def test_without_a_password_nothing_is_asked_of_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with (
        running_server(tmp_path / "served", with_password=True) as server,
        open_folder(server, "models", fill_store()) as transport,
        pytest.raises(TransportError, match="wants a user and a password"),
    ):
        transport.lacking(SIZES)


def push_through(url: str) -> list[object]:
    chosen = TRANSPORTS.load_plugin(url.partition(":")[0])
    with chosen.open_url(TransportSetup(url), fill_store()) as transport:
        return [one.error for one in transport.push(SIZES) if one.error]


def test_certificates_are_those_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_certificate(tmp_path, "own")
    with running_server(tmp_path / "served", tls=server_context(own)) as server:
        with pytest.raises(TransportError, match="certificate verify failed"):
            push_through(f"webdavs://{server.url}/models")
        monkeypatch.setenv("GIT_SSL_CAINFO", os.fspath(own.file))
        assert push_through(f"webdavs://{server.url}/models") == []
        assert len(list(server.folder.glob("models/??/*"))) == len(SIZES)


def test_the_proxy_is_that_of_git(server: DavServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(server.url.rpartition(":")[2])
    with ForwardProxy({"cloud.invalid": port}, "me:a word") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:a%20word@"))
        assert push_through("webdav://cloud.invalid/proxied") == []
        assert ("MOVE", "cloud.invalid") in proxy.asked
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        with pytest.raises(TransportError, match="of a kind that WebDAV does not go through"):
            push_through("webdav://cloud.invalid/proxied")
    assert len(list(server.folder.glob("proxied/??/*"))) == len(SIZES)
