"""Settings by their keys: the same whether they are asked for one by one or all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_theta.errors import GitError
from git_theta.vcs.config import read_settings, write_setting
from git_theta.vcs.remembered_settings import (
    find_setting,
    has_true_setting,
    is_true,
    list_settings,
    match_settings,
    remembering_settings,
)
from tests.sandbox import Sandbox


@pytest.fixture
def configured(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox.git("config", "--add", "remote.a.b.url", "one\ntwo")
    sandbox.git("config", "--add", "remote.a.b.url", "three")
    config = sandbox.root / ".git/config"
    config.write_text(config.read_text() + '[remote "A"]\n\tmirror\n[theta]\n\tstore =\n')
    monkeypatch.chdir(sandbox.root)
    return sandbox


@pytest.mark.parametrize("pattern", [r"^remote\..*\.url$", r"^remote\.A\.mirror$", r"^theta\.store$", "^none$"])
def test_they_are_the_same_all_at_once(configured: Sandbox, pattern: str) -> None:
    found = match_settings(pattern)
    with remembering_settings():
        assert match_settings(pattern) == found
    wanted = {"url": ["one\ntwo", "three"], "mirror": ["true"], "store": [""]}
    assert [value for _, value in found] == wanted.get(pattern[:-1].rpartition(".")[2], [])


def test_git_is_asked_once_and_again_where_the_environment_says_more(
    configured: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(tmp_path / "trace"))
    with remembering_settings():
        for _ in range(3):
            assert len(match_settings(r"\.url$")) == 2
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "remote.c.url")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "four")
        for _ in range(3):
            assert len(match_settings(r"\.url$")) == 3
        assert list_settings()[-1].key == "remote.c.url"
    events = [json.loads(line)["event"] for line in (tmp_path / "trace").read_text().splitlines()]
    assert events.count("start") == 2


@pytest.mark.parametrize("remembering", [False, True])
def test_a_configuration_that_cannot_be_read_is_no_empty_one(configured: Sandbox, remembering: bool) -> None:
    config = configured.root / ".git/config"
    config.write_text(config.read_text() + "[broken\n")
    with pytest.raises(GitError, match="bad config"):
        if remembering:
            with remembering_settings():
                match_settings("^theta")
        else:
            match_settings("^theta")


def test_a_setting_that_is_written_is_not_the_one_remembered(configured: Sandbox) -> None:
    with remembering_settings():
        assert find_setting("theta.store") == ""
        write_setting("local", ["theta.store", "memory"], None)
        assert find_setting("theta.store") == "memory"


def test_code_of_others_finds_what_it_changed(configured: Sandbox) -> None:
    with remembering_settings():
        assert find_setting("theta.store") == ""
        configured.git("config", "theta.store", "memory")
        with remembering_settings(remembers=False):
            assert find_setting("theta.store") == "memory"
        assert find_setting("theta.store") == ""


_TRUE, _FALSE = (
    ["true", "Yes", "on", "1", "2", "-1", "007", "0x0f", "1K"],
    ["false", "no", "off", "0", "0x0", "00k", ""],
)


@pytest.mark.parametrize("value", [*_TRUE, *_FALSE])
def test_values_are_true_as_git_takes_them(sandbox: Sandbox, value: str) -> None:
    sandbox.git("config", "theta.x", value)
    assert is_true(value) == (sandbox.git("config", "--type=bool", "theta.x").stdout.strip() == "true")


@pytest.mark.parametrize("value", [*_TRUE, *_FALSE, "maybe", "1x", "0.5"])
def test_what_git_takes_for_neither_is_refused(sandbox: Sandbox, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.git("config", "merge.verifySignatures", value)
    monkeypatch.chdir(sandbox.root)
    if sandbox.git("config", "--type=bool", "merge.verifySignatures", check=False).returncode == 0:
        assert has_true_setting("merge.verifysignatures") == (value in _TRUE)
        return
    with pytest.raises(GitError, match="verifysignatures is neither true nor false"):
        has_true_setting("merge.verifysignatures")


def test_they_are_those_that_git_goes_by(configured: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG", str(configured.root / "none"))  # which `git config` alone heeds
    assert len(match_settings(r"\.url$")) == 2
    assert [one.value for one in read_settings("local") if one.key == "filter.theta.required"] == ["true"]
