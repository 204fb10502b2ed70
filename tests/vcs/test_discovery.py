"""Where a repository keeps things: as Git says, and as a filter finds it without asking."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from git_theta.errors import GitError
from git_theta.vcs import discovery
from git_theta.vcs.config import read_last_values
from git_theta.vcs.discovery import LOCATION_KEYS, discover_at_top, discover_repository
from tests.sandbox import Sandbox


def _usual(sandbox: Sandbox) -> Path:
    return sandbox.root


def _worktree(sandbox: Sandbox) -> Path:
    sandbox.git("commit", "--quiet", "--allow-empty", "-m", "first")
    sandbox.git("worktree", "add", "--quiet", "../linked")
    return sandbox.root.parent / "linked"


def _submodule(sandbox: Sandbox) -> Path:
    other = Sandbox.create(sandbox.root.parent / "other", install=False)
    other.git("commit", "--quiet", "--allow-empty", "-m", "first")
    sandbox.git("submodule", "--quiet", "add", str(other.root), "inner")
    return sandbox.root / "inner"


def _separate(sandbox: Sandbox) -> Path:
    sandbox.git("init", "--quiet", "--separate-git-dir", "../apart")
    return sandbox.root


def _symlinked(sandbox: Sandbox) -> Path:
    (sandbox.root / ".git").rename(sandbox.root.parent / "apart")
    (sandbox.root / ".git").symlink_to("../apart")
    return sandbox.root


def _symlinked_hooks(sandbox: Sandbox) -> Path:
    (sandbox.root / ".git/hooks").rename(sandbox.root / ".git/others")
    (sandbox.root / ".git/hooks").symlink_to("others")
    return sandbox.root


def _hooks_path(sandbox: Sandbox) -> Path:
    sandbox.git("config", "core.hooksPath", "my/hooks")
    return sandbox.root


def _elsewhere(sandbox: Sandbox) -> Path:
    (sandbox.root.parent / "files").mkdir()
    sandbox.git("config", "core.worktree", "../../files")
    return sandbox.root


def _reached_by_link(sandbox: Sandbox) -> Path:
    (sandbox.root.parent / "link").symlink_to(sandbox.root)
    return sandbox.root.parent / "link"


def _below(sandbox: Sandbox) -> Path:
    (sandbox.root / "folder").mkdir()
    return sandbox.root / "folder"


def _bare(sandbox: Sandbox) -> Path:
    return Sandbox.create(sandbox.root.parent / "bare", install=False, bare=True).root


KINDS = (
    _usual, _worktree, _submodule, _separate, _symlinked, _symlinked_hooks, _hooks_path, _elsewhere, _reached_by_link,
    _below, _bare,
)  # fmt: skip


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_a_filter_finds_what_git_says(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, make: Callable[[Sandbox], Path]
) -> None:
    monkeypatch.chdir(make(sandbox))
    assert discover_at_top(read_last_values(LOCATION_KEYS)) == discover_repository()


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_DIR": "{other}/.git"},
        {"GIT_DIR": "{other}/.git", "GIT_WORK_TREE": "."},
        {"GIT_COMMON_DIR": "{other}/.git", "GIT_DIR": ".git"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "{other}"},
    ],
)
def test_what_the_environment_names_is_the_repository(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
) -> None:
    other = Sandbox.create(sandbox.root.parent / "other")
    monkeypatch.chdir(sandbox.root)
    usual = discover_repository()
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(other=other.root))
    found = discover_at_top(read_last_values(LOCATION_KEYS))
    assert found == discover_repository() != usual


def test_settings_that_git_config_is_kept_from_count(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_hooks_path(sandbox))
    monkeypatch.setenv("GIT_CONFIG", os.devnull)
    assert discover_at_top(read_last_values(LOCATION_KEYS)) == discover_repository()


def test_git_is_not_asked_where_all_is_as_usual(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    monkeypatch.setattr(discovery, "git", None)
    assert discover_at_top({}).worktree == sandbox.root.resolve()


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "GIT_DIR" not in os.environ
    with pytest.raises(GitError, match="not in a Git repository"):
        discover_at_top({})


def test_a_repository_of_another_user_is_told_and_how_to_trust_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sandbox.root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match="is another user's, and Git looks into no repository of theirs") as caught:
        discover_repository()
    assert caught.value.hint.startswith("If you trust it: git config --global --add safe.directory /")
    sandbox.git("config", "--global", "--add", "safe.directory", caught.value.hint.split()[-1])
    assert discover_repository().worktree == sandbox.root.resolve()
