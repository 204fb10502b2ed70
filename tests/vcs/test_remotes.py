"""Where Git fetches from and pushes to, as Git itself has it."""

from __future__ import annotations

from pathlib import Path

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


@pytest.mark.parametrize("ref", ["main", "refs/tags/v'0", "HEAD", "refs/odd/one"])
def test_a_url_that_was_fetched_from_is_asked_last(here: Sandbox, tmp_path: Path, ref: str) -> None:
    here.write("file", b"")
    here.commit("one")
    here.git("tag", "v'0")
    here.git("update-ref", "refs/odd/one", "HEAD")
    far = Sandbox.clone(here, tmp_path / "it's of far.git", "--bare")
    far.git("update-ref", "refs/odd/one", "HEAD")
    here.git("remote", "add", "a", "/a")
    here.git("fetch", "--quiet", far.root, ref)
    url = str(far.root).removesuffix(".git")
    assert fetch_sources() == [FetchSource("a", "/a", is_own=True), FetchSource(url, url, is_own=False)]
    assert fetch_sources("a") == [FetchSource("a", "/a", is_own=True)], "nobody else where one is named"
    here.git("remote", "add", "far", f"{far.root}/")
    assert {one.name for one in fetch_sources()} == {"a", "far"}, "it has a name"
    here.git("fetch", "--quiet", ".", "main")
    assert {one.name for one in fetch_sources()} == {"a", "far"}


def test_who_logs_in_makes_no_other_url(here: Sandbox) -> None:
    here.git("remote", "add", "a", "https://me:secret@host/R.git")
    here.git("remote", "add", "b", "git@host:R.git")
    lines = ["branch 'x' of https://host/R", "branch 'x' of host:R", "tag 'x@y' of https://host/S"]
    (here.root / ".git/FETCH_HEAD").write_text("".join(f"{'a' * 40}\tnot-for-merge\t{line}\n" for line in lines))
    assert [one.url for one in fetch_sources()][2:] == ["https://host/S"]


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
