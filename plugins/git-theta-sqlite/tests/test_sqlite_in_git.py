"""Real Git on the store: what a person does, with filters that are killed and two that write at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, model

FILE = "model.safetensors"


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    made.git("config", "--global", "theta.store", "sqlite")
    return made


def list_rows(root: Path) -> dict[str, int]:
    """The objects that the database of a repository holds, read by SQLite alone."""
    with closing(sqlite3.connect(root / "theta/sqlite/objects.db")) as connection:
        return dict(connection.execute("SELECT oid, size FROM objects"))


def test_a_life_of_git_on_it(sandbox: Sandbox, tmp_path: Path) -> None:
    contents = [model(seed, a=(300, 400), b=2000) for seed in range(3)]
    for number, content in enumerate(contents):
        sandbox.write(FILE, content)
        sandbox.commit(f"version {number}")
        sandbox.git("tag", f"v{number}")
    assert list_rows(sandbox.root / ".git")
    assert not list(sandbox.root.glob(".git/theta/objects/*/*/*"))
    for number, content in enumerate(contents):
        sandbox.git("checkout", "--quiet", f"v{number}")
        assert sandbox.read(FILE) == content
    sandbox.git("checkout", "--quiet", "main")
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert "missing" not in sandbox.theta("fsck").stdout
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    sandbox.git("push", "--quiet", bare.root, "main", "v0")
    assert list_rows(bare.root) == list_rows(sandbox.root / ".git")
    clone = Sandbox.clone(bare, tmp_path / "clone")
    assert clone.read(FILE) == contents[2]


def test_what_nothing_needs_is_collected(sandbox: Sandbox) -> None:
    sandbox.write(FILE, model(0, a=(300, 400)))
    sandbox.commit("kept")
    kept = list_rows(sandbox.root / ".git")
    sandbox.write(FILE, model(1, a=(300, 400)))
    sandbox.commit("dropped")
    sandbox.git("reset", "--quiet", "--hard", "HEAD~")
    sandbox.git("reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
    sandbox.git("gc", "--quiet", "--prune=now")
    assert len(list_rows(sandbox.root / ".git")) > len(kept)
    with closing(sqlite3.connect(sandbox.root / ".git/theta/sqlite/objects.db", isolation_level=None)) as connection:
        connection.execute("UPDATE objects SET stored = stored - 30 * 86400")
    sandbox.theta("gc")
    assert list_rows(sandbox.root / ".git") == kept
    assert "missing" not in sandbox.theta("fsck").stdout


def test_a_filter_that_is_killed_loses_nothing(sandbox: Sandbox) -> None:
    """The whole group of processes, as a machine that goes down would end it; then everything is done again."""
    sandbox.git("theta", "install", "--global")  # by Git, whose filters start as for anybody: all of them die at once
    sandbox.write("before.safetensors", model(0, a=(100, 100)))
    sandbox.commit("before")
    for number, wait in enumerate((0.2, 0.45, 0.7)):
        content = model(number + 1, **{f"layer{at}": (400, 500) for at in range(12)})
        sandbox.write(FILE, content)
        add = subprocess.Popen(["git", "add", FILE], cwd=sandbox.root, start_new_session=True)
        time.sleep(wait)
        os.killpg(add.pid, signal.SIGKILL)
        add.wait()
        sandbox.remove_locks()
        sandbox.commit(f"after {number}")
        (sandbox.root / FILE).unlink()
        sandbox.git("checkout", "--", FILE)
        assert sandbox.read(FILE) == content
    assert "missing" not in sandbox.theta("fsck").stdout


def test_two_worktrees_add_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.git("worktree", "add", "--quiet", tmp_path / "other", "-b", "other")
    places = {sandbox.root: model(5, a=(900, 800)), tmp_path / "other": model(6, a=(900, 800))}
    for root, content in places.items():
        (root / FILE).write_bytes(content)
    adds = [subprocess.Popen(["git", "add", FILE], cwd=root, stderr=subprocess.PIPE) for root in places]
    assert [(add.communicate(timeout=120)[1], add.returncode) for add in adds] == [(b"", 0)] * 2
    for root, content in places.items():
        (root / FILE).unlink()
        subprocess.run(["git", "checkout", "--", FILE], cwd=root, check=True)
        assert (root / FILE).read_bytes() == content


def test_without_the_package_it_is_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git-theta that has no such plug-in writes nothing in its place."""
    sandbox.write(FILE, model(0, a=4))
    sandbox.commit()
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setenv("PATH", os.pathsep.join([os.fspath(Path(sys.executable).parent), os.environ["PATH"]]))
    sandbox.git("theta", "install", "--global")
    sandbox.write(FILE, model(1, a=4))
    done = sandbox.git("add", FILE, check=False)
    assert done.returncode != 0
    assert "no store is called 'sqlite' here" in done.stderr
    assert "It comes with git-theta-sqlite" in done.stderr
    assert not list(sandbox.root.glob(".git/theta/objects/*/*/*"))
