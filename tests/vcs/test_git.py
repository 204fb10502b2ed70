"""The folder that git works in: the process's, or the one that a thread has said."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from git_theta.errors import GitError
from git_theta.transport.parallel import run_parallel
from git_theta.transport.patience import Patience, SilenceClock, run_bounded
from git_theta.vcs import config
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.git import current_folder, git, git_succeeds, work_in_folder
from git_theta.vcs.partial_clone import find_promisor
from tests.sandbox import Sandbox


def test_git_works_in_the_folder_that_was_said(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox.write("folder/file", b"content")
    sandbox.commit()
    sandbox.git("config", "theta.store", "memory")
    with work_in_folder(sandbox.root / "folder"):
        assert git("rev-parse", "--show-prefix") == b"folder/\n"
        assert git_succeeds("rev-parse", "HEAD")
        assert read_blob("HEAD:folder/file") == b"content"
        assert discover_repository().worktree == sandbox.root.resolve()
        assert config.chosen_store() == "memory"
        assert config.read_last_values(["theta.store"]) == {"theta.store": "memory"}
        with BlobReader(100) as blobs:
            assert blobs.find("HEAD:./file") is not None
    assert current_folder() is None
    with pytest.raises(GitError, match="not in a Git repository"):
        discover_repository()


def test_a_folder_that_is_named_counts_more(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox.create(tmp_path / "other")
    with work_in_folder(sandbox.root):
        assert git("rev-parse", "--show-toplevel", cwd=other.root).decode().strip() == str(other.root.resolve())


def test_what_is_remembered_of_one_repository_is_not_said_of_another(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.git("config", "remote.origin.promisor", "true")
    other = Sandbox.create(tmp_path / "other")
    with work_in_folder(sandbox.root):
        assert find_promisor() == "origin"
    with work_in_folder(other.root):
        assert find_promisor() == ""


def test_threads_have_folders_of_their_own(tmp_path: Path) -> None:
    with work_in_folder(tmp_path), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_folder).result() is None


def test_threads_that_ask_remotes_work_where_who_asks_does(tmp_path: Path) -> None:
    clock = SilenceClock("host", Patience(), lambda _: None)
    with work_in_folder(tmp_path):
        assert list(run_parallel(lambda _: current_folder(), range(3), 2, Event())) == [tmp_path] * 3
        assert run_bounded(current_folder, clock) == tmp_path
