"""Real Git with its objects on a WebDAV server: push, clone, and what fails on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, model
from tests.servers.dav_server import DavServer, running_server

FILE = "model.safetensors"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DavServer]:
    with running_server(tmp_path / "served") as running:
        yield running


@pytest.fixture
def sandbox(tmp_path: Path, server: DavServer, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A repository with a bare one to push to, whose objects go to the server."""
    made = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    made.git("config", "--global", "theta.remote.origin.url", f"webdav://{server.url}/team/models")
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    made.git("remote", "add", "origin", bare.root)
    return made


def test_a_life_of_git_with_it(sandbox: Sandbox, server: DavServer, tmp_path: Path) -> None:
    contents = [model(seed, a=(300, 400), b=2000) for seed in range(3)]
    for number, content in enumerate(contents):
        sandbox.write(FILE, content)
        sandbox.commit(f"version {number}")
    assert "webdav://" in sandbox.theta("env").stdout
    sandbox.git("push", "--quiet", "origin", "main")
    assert list(server.folder.glob("team/models/??/*"))
    assert not list((tmp_path / "bare.git").glob("theta/objects/*/*/*"))
    clone = Sandbox.clone(Sandbox(tmp_path / "bare.git"), tmp_path / "clone")
    assert clone.read(FILE) == contents[2]
    clone.git("checkout", "--quiet", "HEAD~2")
    assert clone.read(FILE) == contents[0]
    sandbox.theta("fsck", "--remote")


def test_a_push_whose_objects_do_not_arrive_fails(sandbox: Sandbox, server: DavServer, tmp_path: Path) -> None:
    sandbox.write(FILE, model(0, a=(300, 400)))
    sandbox.commit("kept")
    for how in ({"loses": True}, {"refuses": {"PUT": "507 Full"}}, {"refuses": {"PROPFIND": "500 Oops"}}):
        with mock.patch.multiple(server, **how):
            done = sandbox.git("push", "origin", "main", check=False)
            assert done.returncode != 0, how
            assert FILE in done.stderr or "stay here" in done.stderr
    assert Sandbox(tmp_path / "bare.git").git("for-each-ref").stdout == ""
    sandbox.git("push", "--quiet", "origin", "main")


def test_the_remotes_own_url_opens_nothing(sandbox: Sandbox, server: DavServer) -> None:
    """L10: it may come from a .gitmodules."""
    sandbox.git("config", "--global", "--unset", "theta.remote.origin.url")
    sandbox.git("remote", "set-url", "origin", f"webdav://{server.url}/team/models")
    sandbox.write(FILE, model(0, a=4))
    sandbox.commit()
    done = sandbox.theta("push", "origin", check=False)
    assert done.returncode != 0
    assert "objects do not go through webdav" in done.stderr
    assert server.asked == []
