"""Transports of plug-ins, whatever they do: told by name, and an outcome for each object that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import PluginError, TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.memory import MemoryStore
from git_theta.transport.base import TRANSPORTS, Outcome, Transport, TransportSetup
from git_theta.transport.guarded_transport import open_guarded
from git_theta.vcs import remotes
from tests.sandbox import Sandbox, model, track_and_commit

ONE, TWO = "1" * 64, "2" * 64


class Rogue(Transport):
    """Answers with what the test says."""

    name = "rogue"
    answer: Any = ()

    @classmethod
    def open_url(cls, setup: TransportSetup, ours: Store) -> Any:
        if setup.url == "rogue://nothing":
            return None
        if setup.url == "rogue://broken":
            raise ConnectionRefusedError(111, "refused")
        return cls()

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        return list(self.answer)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        return self.push(objects)

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return iter(self.answer)


@pytest.fixture(autouse=True)
def rogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TRANSPORTS, "load_plugin", lambda name: Rogue)


def open_rogue(answer: Any) -> Transport:
    Rogue.answer = answer
    return open_guarded(TransportSetup("rogue://host"), MemoryStore())


@pytest.mark.parametrize("url", ["rogue://nothing", "rogue://broken"])
def test_what_does_not_open_is_named(url: str) -> None:
    with pytest.raises(PluginError, match="the transport 'rogue' of"):
        open_guarded(TransportSetup(url), MemoryStore())


@pytest.mark.parametrize(
    "answer",
    [
        [Outcome(ONE, 1), Outcome("3" * 64, 1)],
        [Outcome(ONE, 1), Outcome(ONE, 1)],
        [(ONE, 1)],
        [None],
        ValueError("nonsense"),
        SystemExit(0),
    ],
    ids=repr,
)
def test_nonsense_about_objects_is_named(answer: Any) -> None:
    with pytest.raises(PluginError, match="the transport 'rogue' of"):
        list(open_rogue(answer).push({ONE: 1, TWO: 1}))


def test_an_object_that_it_says_nothing_of_did_not_arrive() -> None:
    outcomes = list(open_rogue([Outcome(ONE, 1)]).push({ONE: 1, TWO: 1}))
    assert outcomes[0] == Outcome(ONE, 1)
    assert (outcomes[1].oid, type(outcomes[1].error)) == (TWO, TransportError)


def test_it_lacks_nothing_that_it_was_not_asked_for() -> None:
    assert open_rogue((TWO, ONE)).lacking({ONE: 1, TWO: 1}) == [ONE, TWO]
    with pytest.raises(PluginError, match="was not asked for"):
        open_rogue((TWO,)).lacking({ONE: 1})


def test_it_can_do_what_the_plug_in_can() -> None:
    guarded = open_rogue(())
    assert not guarded.clears_damaged
    assert not (guarded.drops_objects or guarded.is_shared or guarded.needs_pointers)
    with pytest.raises(PluginError, match="lists nothing"):
        list(guarded.list_held())


def test_all_keys_of_the_remote_are_its_settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.git("config", "theta.remote.my.box.User-Name", "me")
    monkeypatch.chdir(sandbox.root)
    assert remotes.read_transport_settings() == {"theta.remote.my.box.user-name": "me"}


def test_a_scheme_of_no_package_here_fails_the_push(sandbox: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    track_and_commit(sandbox, {"model.safetensors": model(a=4)})
    sandbox.git("remote", "add", "origin", bare.root)
    for scheme, hint in (("gopher", "Installed: s3, gs, az"), ("webdavs", "It comes with git-theta-webdav")):
        sandbox.git("config", "theta.remote.origin.url", f"{scheme}://host/objects")
        done = sandbox.git("push", "origin", "main", check=False)
        assert done.returncode != 0
        assert f"no transport is called '{scheme}' here" in done.stderr
        assert hint in done.stderr
        assert "Nothing was pushed" in done.stderr
    assert bare.git("for-each-ref").stdout == ""
