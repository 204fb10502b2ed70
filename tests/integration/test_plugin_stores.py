"""theta.store: the whole of Git's life on a store that a plug-in brings, installed as pip would install it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.command_server import fork_programs_of
from tests.installed_plugins import make_interpreter
from tests.integration.checkpoint_history import MODEL, assert_file, versions
from tests.sandbox import Sandbox
from tests.store import sqlite_store

VERSIONS = versions("small")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has git-theta and a package with a store."""
    entry_points = "[git_theta.plugins.stores]\nsqlite = acme_store:SqliteStore\n"
    python = make_interpreter(tmp_path_factory.mktemp("installed"), "acme_store", sqlite_store.__file__, entry_points)
    fork_programs_of(python)
    return python


@pytest.fixture
def installed(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git theta` is the git-theta of that interpreter, installed for the user."""
    import os

    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def sandbox(installed: None, tmp_path: Path) -> Sandbox:
    made = Sandbox.create(tmp_path / "repository", install=False)
    made.theta("install", "--global")
    made.theta("track", "*.safetensors")
    made.commit("track")
    return made


def rows(sandbox: Sandbox) -> set[str]:
    """The objects that the database of a repository holds."""
    common = sandbox.root / ".git" if (sandbox.root / ".git").is_dir() else sandbox.root
    file = common / "theta/sqlite/objects.db"
    return {oid for (oid,) in sqlite3.connect(file).execute("SELECT oid FROM objects")} if file.exists() else set()


def files(sandbox: Sandbox) -> list[Path]:
    return list(sandbox.root.glob(".git/theta/objects/*/*/*"))


def add_versions(sandbox: Sandbox) -> None:
    for number, content in enumerate(VERSIONS):
        sandbox.write(MODEL, content)
        sandbox.commit(f"version {number}")
        sandbox.git("tag", f"v{number}")


def test_git_works_on_a_store_of_a_plug_in(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.git("config", "--global", "theta.store", "sqlite")
    add_versions(sandbox)
    assert rows(sandbox) and not files(sandbox)
    for number in (0, 1, 2):
        sandbox.git("checkout", "--quiet", f"v{number}")
        assert_file(sandbox, MODEL, VERSIONS[number])
    sandbox.git("checkout", "--quiet", "main")
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert "missing" not in sandbox.theta("fsck").stdout
    assert "name: sqlite" in sandbox.theta("env").stdout
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    sandbox.git("push", "--quiet", bare.root, "main", "v0")
    assert rows(bare) == rows(sandbox)
    shutil.rmtree(sandbox.root)
    clone = Sandbox.clone(bare, tmp_path / "clone")
    assert_file(clone, MODEL, VERSIONS[2])
    assert rows(clone) and not files(clone)


def test_each_repository_keeps_objects_in_its_own_way(sandbox: Sandbox, tmp_path: Path) -> None:
    """The configuration of one is not that of another: objects are copied from rows to files, and back."""
    sandbox.git("config", "theta.store", "sqlite")
    add_versions(sandbox)
    clone = Sandbox.clone(sandbox, tmp_path / "clone")
    assert_file(clone, MODEL, VERSIONS[2])
    assert files(clone) and not rows(clone)
    shared = Sandbox.clone(sandbox, tmp_path / "shared", "--shared")
    shared.git("remote", "remove", "origin")
    shared.git("checkout", "--quiet", "v0")
    assert_file(shared, MODEL, VERSIONS[0])
    assert not files(shared)
    clone.write(MODEL, VERSIONS[2][::-1])
    clone.commit("another")
    before = rows(sandbox)
    clone.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    assert rows(sandbox) > before


def test_what_was_stored_before_is_read(sandbox: Sandbox) -> None:
    add_versions(sandbox)
    kept = files(sandbox)
    sandbox.git("config", "theta.store", "sqlite")
    sandbox.git("checkout", "--quiet", "v0")
    assert_file(sandbox, MODEL, VERSIONS[0])
    sandbox.write(MODEL, VERSIONS[0][::-1])
    sandbox.commit("another")
    assert rows(sandbox) and files(sandbox) == kept


def test_fsck_names_what_is_damaged_in_a_store_without_files(sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.store", "sqlite")
    add_versions(sandbox)
    with sqlite3.connect(sandbox.root / ".git/theta/sqlite/objects.db") as database:
        database.execute("UPDATE objects SET content = zeroblob(length(content))")
    done = sandbox.theta("fsck", check=False)
    assert done.returncode == 4
    assert "is damaged" in done.stdout
    assert "rm -f" not in done.stderr


def test_a_store_that_is_not_installed_is_named(sandbox: Sandbox) -> None:
    sandbox.write(MODEL, VERSIONS[0])
    done = sandbox.git("-c", "theta.store=sqlight", "add", MODEL, check=False)
    assert done.returncode != 0
    assert "no store is called 'sqlight'" in done.stderr
    assert "Did you mean 'sqlite'?" in done.stderr


def test_no_file_of_a_repository_chooses_a_store(sandbox: Sandbox) -> None:
    for name in (".gitconfig", ".lfsconfig", ".theta.toml", "config"):
        sandbox.write(name, b"" if name == ".theta.toml" else b"[theta]\n\tstore = sqlite\n")
    sandbox.write(MODEL, VERSIONS[0])
    sandbox.commit()
    assert files(sandbox) and not rows(sandbox)


def test_memory_lives_as_long_as_one_filter(sandbox: Sandbox) -> None:
    """Clean and smudge of one process meet in it; nothing of it is left."""
    sandbox.git("config", "theta.store", "memory")
    sandbox.write(MODEL, VERSIONS[0])
    oid = sandbox.git("hash-object", "--path", MODEL, MODEL).stdout
    assert len(oid.strip()) == 40
    assert not files(sandbox)
    sandbox.git("add", MODEL)
    (sandbox.root / MODEL).unlink()
    done = sandbox.git("checkout", "--", MODEL, check=False)
    assert done.returncode != 0
    assert "missing" in done.stderr
    sandbox.git("config", "--unset", "theta.store")
    sandbox.write(MODEL, VERSIONS[0])
    assert sandbox.git("hash-object", "--path", MODEL, MODEL).stdout == oid
