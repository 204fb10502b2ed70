"""Who may in: by git's credential helpers, never by a printed password, and never by asking for strangers."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.transfers import CONTENTS, SIZES
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.transport.patience import USUAL_PATIENCE, Patience, SilentHost
from git_theta.vcs.discovery import discover_repository
from tests.running_commands import ends_soon
from tests.sandbox import Sandbox
from tests.servers.lfs_server import LfsRepository, LfsServer

PASSWORD = "s3cret/:@ word"
IMPATIENT = Patience(tell_after=0.5, give_up_after=1.5)
Tell = Callable[[str], None]


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture
def remote(server: LfsServer, tmp_path: Path) -> LfsRepository:
    remote = server.add_repository(tmp_path / "remote")
    remote.credentials = ("me", PASSWORD)
    return remote


@pytest.fixture(autouse=True)
def _in_the_repository(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def configure_helper(sandbox: Sandbox, notes: Path, password: str = PASSWORD) -> None:
    """A credential helper that knows a password, and notes what it is asked."""
    script = notes.with_name("helper")
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"open({str(notes)!r}, 'a').write(sys.argv[1] + '\\n')\n"
        f"sys.argv[1] == 'get' and print('username=me\\npassword=' + {password!r})\n"
    )
    script.chmod(0o755)
    sandbox.git("config", "credential.helper", shlex.quote(str(script)))


def configure_askpass(monkeypatch: pytest.MonkeyPatch, notes: Path) -> None:
    """A program that answers for the person, and notes that they were asked."""
    script = notes.with_name("askpass")
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"open({str(notes)!r}, 'a').write('asked\\n')\n"
        f"print('me' if 'Username' in sys.argv[1] else {PASSWORD!r})\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(script))


def configure_hanging_helper(sandbox: Sandbox, notes: Path, verb: str) -> Path:
    """One that knows the password, and hangs when it is told to get, store or erase it."""
    script = notes.with_name("hanging-helper")
    script.write_text(
        f"#!/bin/sh\ncat > /dev/null\nif [ $1 = {verb} ]; then sleep 600; fi\n"
        f"printf 'username=me\\npassword=%s\\n' {shlex.quote(PASSWORD)}\n"
    )
    script.chmod(0o755)
    sandbox.git("config", "credential.helper", shlex.quote(str(script)))
    return script


def open_transport(
    sandbox: Sandbox, url: str, *, ask: bool = True, patience: Patience = USUAL_PATIENCE, tell: Tell = print
) -> LfsTransport:
    repository = discover_repository(sandbox.root)
    store = LocalStore(repository.theta_dir)
    for content in CONTENTS:
        store.put([content])
    return LfsTransport(parse_endpoint(url), repository, store, {}, tell, ask=ask, patience=patience)


def test_a_helper_lets_us_in_and_is_told_that_it_did(sandbox: Sandbox, remote: LfsRepository, notes: Path) -> None:
    configure_helper(sandbox, notes)
    transport = open_transport(sandbox, remote.url)
    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert transport.lacking(SIZES) == []
    assert notes.read_text().splitlines()[:2] == ["get", "store"]


def test_a_wrong_password_is_forgotten_by_the_helper(sandbox: Sandbox, remote: LfsRepository, notes: Path) -> None:
    configure_helper(sandbox, notes, password="wrong")
    transport = open_transport(sandbox, remote.url)
    with pytest.raises(TransportError, match="answered 401"):
        list(transport.push(SIZES))
    assert notes.read_text().splitlines()[:2] == ["get", "erase"]


@pytest.mark.parametrize("ask", [False, True])
def test_a_helper_that_hangs_is_told_of_and_ended(
    sandbox: Sandbox, remote: LfsRepository, notes: Path, ask: bool
) -> None:
    """Where no person can be at it: here, too, nobody is to be asked at the terminal."""
    script, told = configure_hanging_helper(sandbox, notes, "get"), list[str]()
    transport = open_transport(sandbox, remote.url, ask=ask, patience=IMPATIENT, tell=told.append)
    with pytest.raises(SilentHost, match="git credential has got no answer, of a helper or of you, for") as caught:
        transport.lacking(SIZES)
    assert "git config --get-regexp '^credential'" in caught.value.hint
    assert len(told) == 1 and "giving up after 1 s more" in told[0]
    assert ends_soon(str(script))


def test_a_person_may_take_their_time(
    sandbox: Sandbox, remote: LfsRepository, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper may have them look for their telephone. They are told who waits for them."""
    monkeypatch.delenv("GIT_TERMINAL_PROMPT")
    script, told = configure_hanging_helper(sandbox, notes, "get"), list[str]()
    script.write_text(script.read_text().replace("sleep 600", "sleep 3"))
    transport = open_transport(sandbox, remote.url, patience=IMPATIENT, tell=told.append)
    assert len(transport.lacking(SIZES)) == len([size for size in SIZES.values() if size])
    assert len(told) == 1 and told[0].endswith("of a helper or of you, for 1 s")


@pytest.mark.parametrize("verb", ["store", "erase"])
def test_a_helper_that_hangs_with_what_it_is_told_stops_nothing(
    sandbox: Sandbox, remote: LfsRepository, notes: Path, verb: str
) -> None:
    script, told = configure_hanging_helper(sandbox, notes, verb), list[str]()
    if verb == "erase":
        remote.credentials = ("somebody", "else")
    transport = open_transport(sandbox, remote.url, patience=IMPATIENT, tell=told.append)
    if verb == "erase":
        with pytest.raises(TransportError, match="answered 401"):
            transport.lacking(SIZES)
    else:
        assert transport.lacking(SIZES)
    assert ["giving up" in line for line in told] == [True, False]
    assert ends_soon(str(script))


def test_nothing_that_git_lfs_started_outlives_it(sandbox: Sandbox, remote: LfsRepository, notes: Path) -> None:
    """Its threads start programs, too."""
    script = configure_hanging_helper(sandbox, notes, "get")
    transport = open_transport(sandbox, remote.url, patience=IMPATIENT)
    store = LocalStore(transport._repository.theta_dir.with_name("other"))
    with pytest.raises(SilentHost, match="has moved nothing"):
        list(transport.fetch(SIZES, Inbox(store, store.root)))
    assert ends_soon(str(script))


def test_the_person_is_asked_once(
    sandbox: Sandbox, remote: LfsRepository, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_askpass(monkeypatch, notes)
    transport = open_transport(sandbox, remote.url)
    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert notes.read_text().splitlines() == ["asked"] * 2  # for user and password


def test_nobody_is_asked_for_a_strangers_password(
    sandbox: Sandbox, remote: LfsRepository, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_askpass(monkeypatch, notes)
    transport = open_transport(sandbox, remote.url, ask=False)
    store = LocalStore(transport._repository.theta_dir.with_name("other"))
    with pytest.raises(TransportError, match="wants a user and password"):
        list(transport.fetch(SIZES, Inbox(store, store.root)))
    assert not notes.exists()


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_passwords_in_urls_let_in_and_are_never_told(
    sandbox: Sandbox, remote: LfsRepository, password: str, capfd: pytest.CaptureFixture[str]
) -> None:
    escaped = password.replace("/", "%2F").replace(":", "%3A").replace("@", "%40").replace(" ", "%20")
    transport = open_transport(sandbox, remote.url.replace("http://", f"http://me:{escaped}@"))
    if password == PASSWORD:
        assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    else:
        with pytest.raises(TransportError) as caught:
            list(transport.push(SIZES))
        assert "wrong" not in f"{caught.value} {caught.value.hint}"
    assert not set(capfd.readouterr()) & {password, escaped}


def test_where_git_lfs_alone_gets_in_it_is_not_verified(
    sandbox: Sandbox, remote: LfsRepository, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """By a cookie, which git-lfs reads, and we do not."""
    cookies = home / "cookies"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsession\tgood\n")
    sandbox.git("config", "http.cookieFile", str(cookies))
    remote.cookie = "session=good"
    transport = open_transport(sandbox, remote.url, ask=False)
    assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert "wants a user and password" in transport.unverified
    assert {file.name for file in remote.folder.iterdir()} == {oid for oid, size in SIZES.items() if size}
