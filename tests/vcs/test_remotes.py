"""Where Git fetches from and pushes to, as Git itself has it."""

from __future__ import annotations

import pytest

from git_theta.vcs.remotes import FetchSource, fetch_sources, find_directory_repository, find_push_remote, push_urls
from tests.sandbox import Sandbox


@pytest.fixture
def here(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.chdir(sandbox.root)
    return sandbox


def test_the_own_remote_is_asked_first_and_others_are_strangers(here: Sandbox) -> None:
    assert fetch_sources() == []
    here.git("remote", "add", "a", "/a")
    assert fetch_sources() == [FetchSource("a", "/a", is_own=True)], "the only one"
    here.git("remote", "add", "b", "/b")
    assert fetch_sources() == [FetchSource("a", "/a", is_own=False), FetchSource("b", "/b", is_own=False)]
    here.git("remote", "add", "origin", "/c")
    assert [(one.name, one.is_own) for one in fetch_sources()] == [("origin", True), ("a", False), ("b", False)]
    here.git("config", "branch.main.remote", "b")
    assert [(one.name, one.is_own) for one in fetch_sources()] == [("b", True), ("a", False), ("origin", False)]
    here.git("config", "branch.main.remote", "near:x")
    here.git("config", "url./far/.insteadOf", "near:")
    assert fetch_sources()[0] == FetchSource("near:x", "/far/x", is_own=True)
    here.git("config", "branch.main.remote", ".")
    assert not any(one.is_own for one in fetch_sources())
    assert fetch_sources("a") == [FetchSource("a", "/a", is_own=True)]
    assert fetch_sources("near:y") == [FetchSource("near:y", "/far/y", is_own=True)]


def test_a_push_goes_where_git_says(here: Sandbox) -> None:
    assert find_push_remote() == "origin"
    here.git("remote", "add", "far", "/far")
    assert find_push_remote() == "far", "the only one"
    here.git("remote", "add", "farther", "/farther")
    assert find_push_remote() == "origin"
    for key, name in (("branch.main.remote", "a"), ("remote.pushDefault", "b"), ("branch.main.pushRemote", "c")):
        here.git("config", key, name)
        assert find_push_remote() == name
    here.git("remote", "add", "c", "near:x")
    here.git("config", "url./far/.pushInsteadOf", "near:")
    assert push_urls("c") == ["/far/x"]
    assert push_urls("near:y") == ["/far/y"]
    here.git("remote", "set-url", "--add", "--push", "c", "/one")
    here.git("remote", "set-url", "--add", "--push", "c", "/two")
    assert push_urls("c") == ["/one", "/two"]


@pytest.mark.parametrize("path", ["/", "//"])
def test_the_root_is_not_the_repository_that_we_are_in(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(sandbox.root)
    found = find_directory_repository(path, sandbox.root)
    assert found is None or found.git_dir != sandbox.root / ".git"
