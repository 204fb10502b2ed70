"""Over ssh, a host tells where its Git LFS server is and lets us in: by ``git-lfs-authenticate``, as for git-lfs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.transfers import CONTENTS, OBJECTS, SIZES
from git_theta.transport.lfs.endpoint import derive_endpoint
from git_theta.transport.lfs.lfs_transport import LfsTransport
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import LfsRepository, LfsServer

URL = "git@host.example:team/R.git"


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _in_the_repository(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)


@pytest.fixture
def remote(server: LfsServer, tmp_path: Path) -> LfsRepository:
    return server.add_repository(tmp_path / "remote")


def install_ssh(monkeypatch: pytest.MonkeyPatch, folder: Path, remote: LfsRepository) -> Path:
    """An ssh that knows ``git-lfs-authenticate`` alone; the file in which it notes how it was called."""
    notes, script = folder / "notes", folder / "ssh-stand-in"
    answer = {"href": remote.url, "header": {"Authorization": "Basic bWU6c2VjcmV0"}, "expires_in": 600}
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"open({str(notes)!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        "if not sys.argv[-1].startswith('git-lfs-authenticate '):\n"
        "    print('no such command', file=sys.stderr)\n"
        "    sys.exit(127)\n"
        f"print({json.dumps(answer)!r})\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(script)))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return notes


def open_transport(sandbox: Sandbox) -> tuple[LfsTransport, LocalStore]:
    repository = discover_repository(sandbox.root)
    store = LocalStore(repository.theta_dir)
    return LfsTransport(derive_endpoint(URL), repository, store, {}, print, ask=True), store


def test_objects_go_over_ssh_and_come_back(
    sandbox: Sandbox, remote: LfsRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remote.credentials = ("me", "secret")
    notes = install_ssh(monkeypatch, tmp_path, remote)
    transport, store = open_transport(sandbox)
    for content in CONTENTS:
        store.put([content])
    assert [one.error for one in transport.push(SIZES)] == [None] * len(OBJECTS)
    assert {file.name for file in remote.folder.iterdir()} == {oid for oid, size in SIZES.items() if size}
    assert transport.unverified == ""
    for oid in SIZES:
        store.delete(oid)
    assert [one.error for one in transport.fetch(SIZES, Inbox(store, store.root))] == [None] * len(OBJECTS)
    assert sorted(store.oids()) == sorted(OBJECTS)
    asked = notes.read_text().splitlines()
    ours, *_ = [line for line in asked if "authenticate" in line]
    assert ours == "['git@host.example', 'git-lfs-authenticate team/R.git download']"
    assert "['git@host.example', 'git-lfs-authenticate team/R.git upload']" in asked  # of git-lfs


def test_a_host_without_git_lfs_is_told_and_what_to_do(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "echo 'git-lfs-authenticate: not found' >&2; exit 127 #")
    transport, store = open_transport(sandbox)
    store.put([CONTENTS[-1]])
    with pytest.raises(TransportError, match="not found") as caught:
        list(transport.push(SIZES))
    assert "git config theta.remote.NAME.transport git" in caught.value.hint


@pytest.mark.parametrize("href", ["file:///etc", "--global", "http://[", "http://host:nan/R", "data:,"])
def test_a_host_that_names_no_server_is_an_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, href: str) -> None:
    answer = shlex.quote(json.dumps({"href": href, "header": {"Authorization": "a\nb: c"}}))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"printf %s {answer} #")
    transport, _ = open_transport(sandbox)
    with pytest.raises(TransportError, match="is no URL of a Git LFS server"):
        transport.lacking(SIZES)


def test_a_header_that_is_none_is_an_error(
    sandbox: Sandbox, remote: LfsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = shlex.quote(json.dumps({"href": remote.url, "header": {"Authorization": "a\nb: c"}}))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"printf %s {answer} #")
    transport, _ = open_transport(sandbox)
    with pytest.raises(TransportError, match="cannot be asked: Invalid header value"):
        transport.lacking(SIZES)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("~me/R.git", "~me/R.git"),
        ("~/two words", "~/'two words'"),
        ("~", "~"),
        ("~;touch x", "'~;touch x'"),
        ("~$(touch x)/R", "'~$(touch x)/R'"),
        ("~me/`touch x`", "~me/'`touch x`'"),
        ("a'b", """'a'"'"'b'"""),
    ],
)
def test_no_path_is_a_command_on_the_host(
    sandbox: Sandbox, remote: LfsRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, told: str
) -> None:
    notes = install_ssh(monkeypatch, tmp_path, remote)
    repository = discover_repository(sandbox.root)
    endpoint = derive_endpoint(f"git@host.example:{path}")
    LfsTransport(endpoint, repository, LocalStore(repository.theta_dir), {}, print, ask=True).lacking(SIZES)
    assert notes.read_text() == repr(["git@host.example", f"git-lfs-authenticate {told} download"]) + "\n"
