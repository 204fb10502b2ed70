"""Clones that borrow from clones that borrow."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.checkpoint_history import MODEL, History, assert_file, stored
from tests.sandbox import Sandbox


def test_a_shared_clone_of_a_shared_clone(history: History, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, tmp_path / "first", "--shared")
    second = Sandbox.clone(first, tmp_path / "second", "--shared")
    second.git("remote", "remove", "origin")
    assert stored(first) == stored(second) == {}
    for version in (0, 1, 2):
        second.git("checkout", "--quiet", f"v{version}")
        history.holds(version, at=second)
    assert second.theta("fsck").returncode == 0
    assert stored(second) == {}
    second.git("worktree", "add", "--quiet", tmp_path / "linked", "v0")
    history.holds(0, at=Sandbox(tmp_path / "linked"))
    second.write(MODEL, history.versions[1])
    second.commit()
    assert sum(stored(second).values()) < 1000, "what is borrowed is not stored again"


def test_relative_alternates(history: History, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, tmp_path / "first", "--shared")
    second = Sandbox.clone(first, tmp_path / "second", "--shared", "--no-checkout")
    second.git("remote", "remove", "origin")
    for clone, lender in ((first, history.root), (second, first.root)):
        file = clone.root / ".git/objects/info/alternates"
        file.write_text(f"# a comment\n../../../{lender.relative_to(tmp_path)}/.git/objects\n")
    second.git("checkout", "--quiet", "main")
    history.holds(2, at=second)


def test_alternates_of_the_environment(history: History, tmp_path: Path) -> None:
    clone = Sandbox.clone(history.sandbox, tmp_path / "clone", "--no-checkout")
    clone.git("remote", "remove", "origin")
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(history.root / ".git/objects")}
    clone.git("checkout", "--quiet", "main", env=env)
    assert stored(clone) == {}
    assert_file(clone, MODEL, history.versions[2])


def test_a_remote_has_what_it_borrows(history: History, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, tmp_path / "first", "--shared")
    second = Sandbox.clone(first, tmp_path / "second", "--shared")
    clone = Sandbox.clone(second.root.as_uri(), tmp_path / "clone")
    history.holds(2, at=clone)
    done = clone.git("push", "--quiet", "origin", "main:refs/heads/topic")
    assert "pushed" not in done.stderr


def test_doctor_tells_of_a_lender_of_a_lender_that_is_gone(history: History, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, tmp_path / "first", "--shared", "--no-checkout")
    second = Sandbox.clone(first, tmp_path / "second", "--shared")
    shutil.rmtree(history.root)
    done = second.theta("doctor", check=False)
    assert done.returncode == 1
    assert f"problem: alternates: gone: {history.root}/.git\n" in done.stdout
