"""Without a helper that keeps passwords, a person is asked once by Git, and once by us."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import wait
from pathlib import Path

import pytest

from git_theta.repository.sharing.pointers import PointerUpdate
from git_theta.vcs.discovery import discover_repository
from tests.integration.checkpoint_history import MODEL
from tests.integration.shared_model import PASSWORD, SharedModel, needs_lfs
from tests.sandbox import model


@pytest.fixture
def asked(shared: SharedModel, installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Whom a person was asked for, a line each; they know the password, and no program keeps it."""
    user, password = PASSWORD
    subprocess.run(["git", "config", "--global", "--unset-all", "credential.helper"], check=True)
    script, asked = tmp_path / "askpass", tmp_path / "asked"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(asked)!r}, 'a').write(sys.argv[1] + '\\n')\n"
        f"print({user!r} if 'Username' in sys.argv[1] else {password!r})\n"
    )
    script.chmod(0o755)
    asked.touch()
    monkeypatch.setenv("GIT_ASKPASS", str(script))
    return asked


@needs_lfs
def test_a_push_asks_twice(shared: SharedModel, asked: Path) -> None:
    shared.alice.sandbox.write(MODEL, model(5))
    shared.alice.sandbox.commit("trained")
    shared.alice.git("push", "--quiet", "origin", "main")
    shared.assert_whole()
    assert len(asked.read_text().splitlines()) == 2 * 2  # for user and password: Git itself, and us
    kept = [
        file for file in shared.alice.root.rglob("*") if file.is_file() and PASSWORD[1].encode() in file.read_bytes()
    ]
    assert kept == []


def test_who_reads_pointers_ahead_asks_nobody(
    shared: SharedModel, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may be asking at that moment."""
    monkeypatch.chdir(shared.alice.root)
    with PointerUpdate("origin", shared.url, discover_repository(shared.alice.root), print) as update:
        assert wait([update._read_ahead], 60).done
        assert asked.read_text() == ""
        assert update.write({"0" * 64: 1}).objects == 1
        assert asked.read_text()


@needs_lfs
def test_our_own_commands_ask_once(shared: SharedModel, asked: Path) -> None:
    shared.alice.sandbox.write(MODEL, model(6))
    shared.alice.sandbox.commit("trained")
    shared.alice.sandbox.theta("push", "origin", "main")
    assert len(asked.read_text().splitlines()) == 2
    shared.alice.sandbox.theta("fsck", "--remote")
    shared.alice.sandbox.theta("prune", "--remote", "--dry-run")
    assert len(asked.read_text().splitlines()) == 3 * 2


def test_through_a_server_of_git_alone_too(shared: SharedModel, asked: Path) -> None:
    shared.alice.git("config", "theta.remote.origin.transport", "git")
    shared.alice.sandbox.theta("push", "origin", "main")
    assert len(asked.read_text().splitlines()) == 2
