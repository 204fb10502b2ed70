"""Which remotes are asked for objects, in which order, and what of a repository can change that: nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import MODEL, History, stored
from tests.sandbox import Sandbox


def bare_repository(history: History, folder: Path) -> Sandbox:
    """An empty one, in the history's hash format."""
    kind = history.git("rev-parse", "--show-object-format").strip()
    return Sandbox.create(folder, "sha256" if kind == "sha256" else "sha1", install=False, bare=True)


@pytest.fixture
def bare(history: History, tmp_path: Path) -> Sandbox:
    """A bare repository that has everything, as the history's remote ``origin``."""
    bare = bare_repository(history, tmp_path / "R.git")
    history.git("remote", "add", "origin", bare.root)
    history.git("push", "--quiet", "origin", "main", "v0", "v1")
    return bare


@pytest.fixture
def clone(history: History, bare: Sandbox, tmp_path: Path) -> Sandbox:
    """A clone of it without any object; the first repository is gone."""
    shutil.rmtree(history.root)
    return Sandbox.clone(bare, tmp_path / "clone", "--no-checkout")


def by_ssh(sandbox: Sandbox, folder: Path) -> None:
    """Let ``HOST:PATH`` reach a folder of this machine: what ssh would run is run there."""
    script = sandbox.root / ".git" / "ssh"
    script.write_text(f'#!/bin/sh\ncd {folder}\nshift $(($# - 1))\nexec sh -c "$1"\n')
    script.chmod(0o755)
    sandbox.git("config", "core.sshCommand", script)
    sandbox.git("config", "ssh.variant", "simple")


def test_a_folder_that_is_called_like_the_url_takes_nothing(history: History, bare: Sandbox, tmp_path: Path) -> None:
    """Committed by somebody else, it once took the objects, and the remote got the commit alone."""
    embedded = Sandbox.create(history.root / "srv:R.git", install=False, bare=True)
    by_ssh(history.sandbox, tmp_path)
    history.git("remote", "add", "host", "srv:R.git")
    history.sandbox.write(MODEL, history.versions[0])
    history.git("commit", "--quiet", "-m", "again", MODEL)
    done = history.sandbox.git("push", "host", "HEAD:refs/heads/topic", check=False)
    assert done.returncode != 0
    assert "theta: error: host: " in done.stderr
    assert not (embedded.root / "theta").exists()
    assert "topic" not in bare.git("branch").stdout


def test_nor_is_it_asked_for_objects(history: History, clone: Sandbox) -> None:
    shutil.copytree(clone.root.parent / "R.git", clone.root / "srv:R.git")
    clone.git("remote", "set-url", "origin", "srv:R.git")
    done = clone.git("checkout", "main", check=False)
    assert done.returncode != 0
    assert "origin (srv:R.git): " in done.stderr
    assert stored(clone) == {}


def test_the_remote_of_the_branch_is_asked_first(history: History, bare: Sandbox, clone: Sandbox) -> None:
    shutil.copytree(bare.root, bare.root.parent / "other.git")
    shutil.rmtree(bare.root / "theta")
    for damaged in (bare.root.parent / "other.git/theta/objects").glob("*/*/*"):
        damaged.chmod(0o644)
        damaged.write_bytes(damaged.read_bytes()[::-1])
    clone.git("remote", "add", "other", "../other.git")

    def asked() -> list[str]:
        done = clone.git("checkout", "--force", "main", check=False)
        assert done.returncode != 0
        hints = [line.split() for line in done.stderr.splitlines() if line.startswith("hint:   ")]
        return [words[1] for words in hints]

    assert asked() == ["origin", "other"]
    clone.git("config", "branch.main.remote", "other")
    assert asked() == ["other", "origin"]
    clone.git("config", "branch.main.remote", "../other.git")
    assert asked() == ["other", "origin"], "it is the same one, and asked once"
    clone.git("remote", "remove", "other")
    clone.git("config", "branch.main.remote", "../other.git")
    assert asked() == ["../other.git", "origin"]


def test_a_pull_from_a_url_that_no_remote_has(history: History, bare: Sandbox, tmp_path: Path) -> None:
    """It failed halfway, since remotes alone were asked for its objects."""
    kind = history.git("rev-parse", "--show-object-format").strip()
    mine = Sandbox.create(tmp_path / "mine", "sha256" if kind == "sha256" else "sha1")
    mine.git("pull", "--quiet", bare.root, "v0")
    mine.write("note", b"mine")
    mine.commit("mine")
    mine.git("pull", "--quiet", "--no-rebase", "--no-edit", bare.root, "main")
    assert mine.read(MODEL) == history.versions[2]


def test_an_error_of_one_remote_is_not_the_end(history: History, bare: Sandbox, clone: Sandbox) -> None:
    broken = Sandbox.create(bare.root.parent / "broken.git", install=False, bare=True)
    broken.git("config", "theta.store", "nobody-has-this")
    clone.git("remote", "rename", "origin", "zzz")
    clone.git("config", "--unset", "branch.main.remote")
    urls = {"one": "https://me:word@localhost:1/x", "two": "/gone", "three": str(broken.root)}
    clone.git("remote", "remove", "zzz")
    for name, url in (urls | {"last": str(bare.root)}).items():
        clone.git("remote", "add", name, url)
    clone.git("checkout", "--quiet", "main")
    history.holds(2, at=clone)


def test_a_path_may_leave_out_what_git_lets_it_leave_out(history: History, bare: Sandbox, clone: Sandbox) -> None:
    clone.git("remote", "set-url", "origin", f"{bare.root.parent}/R/")
    (bare.root / "sub").mkdir()
    clone.git("checkout", "--quiet", "main")
    history.holds(2, at=clone)


def test_a_folder_inside_of_a_repository_is_none(history: History, bare: Sandbox, clone: Sandbox) -> None:
    (bare.root / "sub").mkdir()
    clone.git("remote", "set-url", "origin", f"{bare.root}/sub")
    done = clone.git("checkout", "main", check=False)
    assert "no repository is there" in done.stderr


def test_a_damaged_object_fails_the_push_by_file_and_parameter(history: History, tmp_path: Path) -> None:
    bare = bare_repository(history, tmp_path / "R.git")
    entry = history.git("show", f"v0:{MODEL}").splitlines()[2]
    oid = entry.split('"object":"')[1][:64]
    file = history.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[::-1])
    done = history.sandbox.git("push", bare.root, "v0:refs/heads/main", check=False)
    assert done.returncode != 0
    assert f"theta: error: {MODEL}: " in done.stderr
    assert f"object {oid} is damaged" in done.stderr
    assert oid not in {path.name for path in (bare.root / "theta").rglob("*")}
    assert bare.git("for-each-ref").stdout == ""


def test_push_urls_are_where_theta_push_pushes(history: History, bare: Sandbox, tmp_path: Path) -> None:
    mirror = bare_repository(history, tmp_path / "mirror.git")
    history.git("remote", "set-url", "--add", "--push", "origin", mirror.root)
    history.git("remote", "set-url", "--add", "--push", "origin", bare.root)
    shutil.rmtree(bare.root / "theta")
    history.sandbox.theta("push")
    for remote in (mirror, bare):
        assert {path.name for path in (remote.root / "theta/objects").glob("*/*/*")} == stored(history.sandbox).keys()
