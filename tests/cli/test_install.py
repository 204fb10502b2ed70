"""``git theta install`` and ``uninstall``, as a person types them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox import Sandbox

pytestmark = pytest.mark.genuine

# The interpreter that the installed script names: python, python3 or python3.11 of the same environment.
PYTHON = rf"'?{re.escape(str(Path(sys.executable).parent))}/python[0-9.]*'?"


@pytest.fixture
def plain(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "repository", install=False)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("scope", [[], ["--global"], ["--local"], ["--system"], ["--worktree"]])
def test_uninstall_leaves_nothing(plain: Sandbox, home: Path, scope: list[str]) -> None:
    plain.git("config", "extensions.worktreeConfig", "true")
    plain.write(".git/config.worktree", b"")
    before = everything(plain.root), everything(home)
    printed = plain.theta("install", *scope)
    name = scope[0].removeprefix("--") if scope else "global"
    hooks = ("pre-push", "pre-merge-commit", "prepare-commit-msg") if name in ("local", "worktree") else ()
    written = [f"{hook} hook written to {plain.root}/.git/hooks/{hook}" for hook in hooks]
    assert printed.stdout.splitlines() == [f"filter.theta set in the {name} configuration", *written]
    assert printed.stderr == ""
    found, process = plain.git("config", "--show-scope", "filter.theta.process").stdout.rstrip("\n").split("\t")
    assert found == name
    assert re.fullmatch(f"{PYTHON} -I -m git_theta.cli.filter_process", process)
    assert "already" in plain.theta("install", *scope).stdout
    assert plain.theta("uninstall", *scope).stderr == ""
    assert (everything(plain.root), everything(home)) == before


def test_a_repository_that_tracks_nothing_keeps_its_hooks_until_it_does(plain: Sandbox) -> None:
    hook = plain.write(".git/hooks/pre-push", b"#!/bin/sh\necho theirs\n")
    hook.chmod(0o755)
    plain.theta("install")
    assert hook.read_bytes() == b"#!/bin/sh\necho theirs\n"
    assert f"pre-push hook added to {hook}" in plain.theta("track", "*.safetensors").stdout
    assert b"git_theta pre-push" in hook.read_bytes()
    plain.theta("uninstall")
    assert f"pre-push hook added to {hook}" in plain.theta("install").stdout


def test_outside_a_repository_the_configuration_is_set_and_no_hook(tmp_path: Path, home: Path) -> None:
    nowhere = Sandbox(tmp_path)
    assert nowhere.theta("install").stdout == "filter.theta set in the global configuration\n"
    assert "git_theta" in (home / ".gitconfig").read_text()
    refused = nowhere.theta("install", "--local", check=False)
    assert refused.returncode == 7
    assert refused.stderr.startswith("theta: error: not in a Git repository\nhint: ")
    nowhere.theta("uninstall")
    assert "theta" not in (home / ".gitconfig").read_text()


def test_an_existing_hook_still_runs_after_install_and_after_uninstall(plain: Sandbox) -> None:
    hook = plain.write(".git/hooks/pre-push", b"#!/bin/sh\necho theirs\n")
    hook.chmod(0o755)
    assert f"pre-push hook added to {hook}" in plain.theta("install", "--local").stdout
    assert hook.read_bytes().endswith(b"\necho theirs\n")
    plain.theta("uninstall", "--local")
    assert hook.read_bytes() == b"#!/bin/sh\necho theirs\n"


def test_a_hook_that_we_cannot_edit_is_left_and_the_person_told_what_to_add(plain: Sandbox) -> None:
    hook = plain.write(".git/hooks/pre-push", b"#!/usr/bin/env python3\n")
    hook.chmod(0o755)
    told = plain.theta("install", "--local").stderr
    assert f"theta: warning: {hook} is no shell script" in told
    assert re.search(f'{PYTHON} -I -m git_theta pre-push "\\$@"', told)
    assert hook.read_bytes() == b"#!/usr/bin/env python3\n"


def test_a_hook_that_runs_us_already_is_left_in_peace(plain: Sandbox) -> None:
    script = b'#!/bin/sh\n/a/python -I -m git_theta pre-push "$@"\n'
    hook = plain.write(".git/hooks/pre-push", script)
    hook.chmod(0o755)
    done = plain.theta("install", "--local")
    assert "runs git-theta in lines that somebody else wrote" in done.stdout
    assert done.stderr == ""
    assert hook.read_bytes() == script


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_one_scope_at_a_time(plain: Sandbox, home: Path, command: str) -> None:
    before = everything(home)
    done = plain.theta(command, "--local", "--global", check=False)
    assert done.returncode == 2
    assert "--global and --local exclude each other" in done.stderr
    assert everything(home) == before


def test_the_filter_of_git_theta_0_2_is_named_and_replaced_only_by_force(plain: Sandbox) -> None:
    plain.git("config", "--global", "filter.theta.clean", "git-theta-filter clean %f")
    refused = plain.theta("install", check=False)
    assert refused.returncode == 2
    assert "has another filter of the name theta: filter.theta.clean = git-theta-filter clean %f" in refused.stderr
    assert "hint: `git theta install --global --force` replaces it" in refused.stderr
    assert not (plain.root / ".git/hooks/pre-push").exists()
    plain.theta("install", "--force")
    assert "git_theta.cli.one_shot" in plain.git("config", "filter.theta.clean").stdout


def test_the_hook_stays_while_another_scope_installs_the_filter(plain: Sandbox) -> None:
    plain.theta("install")
    plain.theta("install", "--local")
    assert "still installed in another scope" in plain.theta("uninstall").stderr
    assert (plain.root / ".git/hooks/pre-push").exists()
    assert plain.theta("uninstall", "--local").stderr == ""
    assert not (plain.root / ".git/hooks/pre-push").exists()


def test_uninstall_warns_of_files_that_are_still_tracked(plain: Sandbox) -> None:
    plain.theta("install", "--local")
    plain.write("sub/.gitattributes", b"*.bin filter=theta\n")
    told = plain.theta("uninstall", "--local").stderr
    assert "theta: warning: filter=theta still stands in sub/.gitattributes" in told


def test_the_hook_is_the_main_repositorys_in_a_linked_worktree(plain: Sandbox) -> None:
    plain.write("a", b"")
    plain.commit()
    plain.git("worktree", "add", "-q", "../linked")
    Sandbox(plain.root.parent / "linked").theta("install", "--local")
    assert (plain.root / ".git/hooks/pre-push").exists()


def test_the_interpreter_of_an_installed_environment_need_not_be_on_the_path(plain: Sandbox) -> None:
    """What install wrote runs from a shell that knows nothing of the virtual environment."""
    plain.theta("install", "--local")
    line = plain.git("config", "filter.theta.process").stdout.replace("git_theta.cli.filter_process", "git_theta -h")
    done = subprocess.run(["/bin/sh", "-c", line], env={"PATH": "/nonexistent"}, capture_output=True, text=True)
    assert done.stdout.startswith("Usage: git theta")
