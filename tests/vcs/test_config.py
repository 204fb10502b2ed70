"""Our lines in Git's configuration."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from git_theta.errors import GitError, UsageError
from git_theta.vcs import config
from git_theta.vcs.config import Scope
from tests.sandbox import Sandbox

PYTHON = "/opt/a venv/it's 100%f/bin/python"


@pytest.fixture
def plain(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "repository", install=False)


def file_of(scope: Scope, sandbox: Sandbox, home: Path) -> Path:
    return {
        "global": home / ".gitconfig",
        "system": home / "system.gitconfig",
        "local": sandbox.root / ".git/config",
        "worktree": sandbox.root / ".git/config.worktree",
    }[scope]


@pytest.mark.parametrize("scope", ["global", "local", "worktree", "system"])
def test_uninstall_leaves_the_file_as_it_was(plain: Sandbox, home: Path, scope: Scope) -> None:
    plain.git("config", "extensions.worktreeConfig", "true")
    file = file_of(scope, plain, home)
    plain.git("config", f"--{scope}", "some.key", "value")
    before = file.read_bytes()
    assert config.install_settings(PYTHON, scope, cwd=plain.root)
    assert config.read_settings(scope, cwd=plain.root) == config.our_settings(PYTHON)
    assert config.is_installed(cwd=plain.root)
    after = file.read_bytes()
    assert not config.install_settings(PYTHON, scope, cwd=plain.root), "installing again changes nothing"
    assert file.read_bytes() == after
    assert config.uninstall_settings(scope, cwd=plain.root) == config.our_settings(PYTHON)
    assert file.read_bytes() == before
    assert config.uninstall_settings(scope, cwd=plain.root) == []
    assert not config.is_installed(cwd=plain.root)


def test_git_runs_exactly_the_interpreter_we_name(tmp_path: Path, plain: Sandbox) -> None:
    python = tmp_path / "a venv" / "it's 100%f $HOME `id`" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "<%s>" "$@" >>"$(dirname "$0")/calls"\ncat\n')
    python.chmod(0o755)
    config.install_settings(str(python), "local", cwd=plain.root)
    plain.git("config", "--unset", "filter.theta.process")  # this git is one that lacks the protocol
    plain.write(".gitattributes", b"*.bin filter=theta\n")
    plain.write("my model's.bin", b"content")
    plain.commit()
    calls = (python.parent / "calls").read_text()
    assert "<-I><-m><git_theta.cli.one_shot><clean><my model's.bin>" in calls


def test_an_older_line_of_ours_is_replaced(plain: Sandbox) -> None:
    config.install_settings("/old/python", "local", cwd=plain.root)
    plain.git("config", "--add", "filter.theta.clean", "/older/python -I -m git_theta.cli.one_shot clean %f")
    assert config.install_settings(PYTHON, "local", cwd=plain.root)
    assert set(config.read_settings("local", cwd=plain.root)) == set(config.our_settings(PYTHON))


def test_somebody_elses_filter_is_replaced_only_by_force(plain: Sandbox) -> None:
    plain.git("config", "filter.theta.clean", "git-theta-filter clean %f")
    plain.git("config", "filter.theta.required", "true")
    before = plain.read(".git/config")
    with pytest.raises(UsageError, match="git-theta-filter clean %f") as refusal:
        config.install_settings(PYTHON, "local", cwd=plain.root)
    assert "--local --force" in refusal.value.hint
    assert plain.read(".git/config") == before
    assert config.uninstall_settings("local", cwd=plain.root) == []
    assert plain.read(".git/config") == before
    config.install_settings(PYTHON, "local", force=True, cwd=plain.root)
    assert set(config.read_settings("local", cwd=plain.root)) == set(config.our_settings(PYTHON))


def test_how_notes_unite_is_the_persons_to_say(plain: Sandbox) -> None:
    plain.git("config", "notes.theta/eval.mergeStrategy", "union")
    assert config.install_settings(PYTHON, "local", cwd=plain.root)
    assert plain.git("config", "--get-all", "notes.theta/eval.mergeStrategy").stdout == "union\n"
    assert not config.install_settings(PYTHON, "local", cwd=plain.root)
    config.uninstall_settings("local", cwd=plain.root)
    assert plain.git("config", "--get-all", "notes.theta/eval.mergeStrategy").stdout == "union\n"


def test_uninstall_spares_what_others_added(plain: Sandbox) -> None:
    config.install_settings(PYTHON, "local", cwd=plain.root)
    plain.git("config", "--add", "filter.theta.smudge", "mine")
    assert {setting.key for setting in config.uninstall_settings("local", cwd=plain.root)} == {
        "filter.theta.process", "filter.theta.clean", "filter.theta.smudge", "merge.theta.name", "merge.theta.driver",
        "diff.theta.command", "notes.theta/eval.mergestrategy",
    }  # fmt: skip
    assert plain.git("config", "--local", "--get-regexp", "theta").stdout == (
        "filter.theta.required true\nfilter.theta.smudge mine\n"
    )


def test_a_comment_in_our_section_stays(plain: Sandbox, home: Path) -> None:
    config.install_settings(PYTHON, "global", cwd=plain.root)
    file = home / ".gitconfig"
    file.write_text(file.read_text().replace("[filter", "# a note\n[filter"))
    config.uninstall_settings("global", cwd=plain.root)
    assert "# a note" in file.read_text()
    assert "git_theta" not in file.read_text()


def test_the_nearest_scope_is_in_force(plain: Sandbox) -> None:
    config.install_settings(PYTHON, "global", cwd=plain.root)
    plain.git("config", "--local", "filter.theta.process", "mine")
    assert config.active_settings(cwd=plain.root)["filter.theta.process"] == "mine"
    assert not config.is_installed(cwd=plain.root)


def test_a_bare_key_means_true(plain: Sandbox) -> None:
    plain.write(".git/config", plain.read(".git/config") + b'[filter "theta"]\n\trequired\n')
    assert config.read_settings("local", cwd=plain.root) == [config.Setting("filter.theta.required", "true")]


def test_a_worktrees_own_configuration_must_be_switched_on(plain: Sandbox) -> None:
    plain.write("a", b"")
    plain.commit()
    plain.git("worktree", "add", "-q", "../linked")
    linked = plain.root.parent / "linked"
    with pytest.raises(GitError) as refusal:
        config.install_settings(PYTHON, "worktree", cwd=linked)
    assert "extensions.worktreeConfig true" in refusal.value.hint
    plain.git("config", "extensions.worktreeConfig", "true")
    config.install_settings(PYTHON, "worktree", cwd=linked)
    assert config.is_installed(cwd=linked)
    assert not config.is_installed(cwd=plain.root)


def test_outside_a_repository_the_global_scope_works(tmp_path: Path) -> None:
    config.install_settings(PYTHON, cwd=tmp_path)
    assert config.is_installed(cwd=tmp_path)
    with pytest.raises(GitError, match="can only be used inside a git repository"):
        config.install_settings(PYTHON, "local", cwd=tmp_path)


def test_a_module_runs_isolated_whatever_the_interpreters_path(tmp_path: Path, plain: Sandbox) -> None:
    python = tmp_path / "a b"
    python.mkdir()
    (python / "python").symlink_to(sys.executable)
    shell = shutil.which("sh")
    assert shell
    line = config.module_command(str(python / "python"), "timeit -h")
    assert "timeit" in plain.run(shell, "-c", line, env={"PYTHONPATH": "/nonexistent"}).stdout


def test_the_store_of_a_bare_repository_that_somebody_named(sandbox: Sandbox, tmp_path: Path) -> None:
    """Where it was read from no bare repository, what is pushed there would get into another store than its own."""
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    bare.git("config", "theta.store", "acme")
    sandbox.git("config", "--global", "safe.bareRepository", "explicit")
    assert config.chosen_store_at(bare.root) == "acme"
