"""A push brings the objects with the commits; whoever clones from there has the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import History
from tests.sandbox import Sandbox


@pytest.fixture
def bare(history: History, tmp_path: Path) -> Sandbox:
    """An empty bare repository in the history's hash format, its remote ``origin``."""
    object_format = history.git("rev-parse", "--show-object-format").strip()
    assert object_format in ("sha1", "sha256")
    bare = Sandbox.create(tmp_path / "remote.git", object_format, install=False, bare=True)  # type: ignore[arg-type]
    history.git("remote", "add", "origin", bare.root)
    history.sandbox.theta("install")
    return bare


def test_push_and_clone(history: History, bare: Sandbox, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "main", "v0")
    shutil.rmtree(history.root)
    clone = Sandbox.clone(bare, tmp_path / "clone")
    history.holds(2, at=clone)
    for version in (0, 1):
        clone.git("checkout", "--quiet", f"v{version}" if version == 0 else "main~")
        history.holds(version, at=clone)


def test_push_of_what_came_after(history: History, bare: Sandbox, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "v0:refs/heads/main")
    clone = Sandbox.clone(bare, tmp_path / "clone")
    history.holds(0, at=clone)
    history.git("push", "--quiet", "origin", "main")
    shutil.rmtree(history.root)
    clone.git("pull", "--quiet", "--ff-only")
    history.holds(2, at=clone)


def test_push_from_a_clone_that_never_ran_install(history: History, bare: Sandbox, tmp_path: Path) -> None:
    """The hook is put there by the first checkout."""
    history.git("push", "--quiet", "origin", "main")
    clone = Sandbox.clone(bare, tmp_path / "clone")
    clone.write("model.safetensors", history.versions[0])
    clone.commit("back to the first")
    clone.git("push", "--quiet")
    shutil.rmtree(clone.root)
    shutil.rmtree(history.root)
    second = Sandbox.clone(bare, tmp_path / "second")
    history.holds(0, at=second)


def test_a_push_that_lacks_an_object_fails_and_moves_no_ref(history: History, bare: Sandbox) -> None:
    shutil.rmtree(history.root / ".git" / "theta" / "objects")
    done = history.sandbox.git("push", "origin", "main", check=False)
    assert done.returncode != 0
    assert "neither here nor on the remote" in done.stderr
    assert "model.safetensors" in done.stderr
    assert bare.git("for-each-ref").stdout == ""


def test_push_from_a_shallow_clone(history: History, bare: Sandbox, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "main")
    clone = Sandbox.clone(bare.root.as_uri(), tmp_path / "clone", "--depth", "1")
    clone.write("model.safetensors", history.versions[0])
    clone.commit("back to the first")
    clone.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    shutil.rmtree(history.root)
    second = Sandbox.clone(bare, tmp_path / "second", "--branch", "topic")
    history.holds(0, at=second)
