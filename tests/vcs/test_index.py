"""The index is told how files look that were written behind Git's back, whatever kind of index it is.

The files of these tests do not hold what the index has for them: had Git looked into one, it would call it modified.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from git_theta.errors import GitError
from git_theta.vcs.index import WorktreeIndex
from tests.sandbox import Sandbox

_TEXT = b"what stands for the file\n"
_LONG = "z" * 250
_FILES = ("a/model.bin", "a/model.bin.json", "model.bin", "naïve model.bin", _LONG)


class Written(NamedTuple):
    text: bytes
    stat: os.stat_result


@pytest.fixture
def repository(tmp_path: Path) -> Sandbox:
    """Files that hold a text, committed."""
    return filled(Sandbox.create(tmp_path / "repository", install=False))


def filled(sandbox: Sandbox) -> Sandbox:
    for path in _FILES:
        sandbox.write(path, _TEXT)
    sandbox.write("other.txt", b"one\n")
    sandbox.commit()
    return sandbox


def write_behind(sandbox: Sandbox, *paths: str, text: bytes = _TEXT) -> dict[str, Written]:
    """Other contents, older than the index, and how they look."""
    written = {}
    for path in paths:
        file = sandbox.write(path, b"the real thing" * 9)
        described = file.stat()
        os.utime(file, ns=(described.st_atime_ns, described.st_mtime_ns - 5 * 10**9))
        written[path] = Written(text, file.stat())
    return written


def modified(sandbox: Sandbox) -> list[str]:
    """Paths that Git calls modified."""
    return sandbox.git("diff", "--name-only", "-z").stdout.split("\0")[:-1]


def assert_recorded(sandbox: Sandbox, *paths: str) -> bytes:
    """The index can be told of these files, and holds what it held; what is in it then."""
    before = sandbox.git("ls-files", "--stage").stdout
    written = write_behind(sandbox, *paths)
    assert modified(sandbox) == sorted(paths)
    WorktreeIndex(sandbox.root).record_written(written)
    content = (sandbox.root / ".git/index").read_bytes()
    assert modified(sandbox) == []
    assert sandbox.git("ls-files", "--stage").stdout == before
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert not (sandbox.root / ".git/index.lock").exists()
    return content


@pytest.mark.parametrize("version", ["2", "4"])
def test_versions(version: str, repository: Sandbox) -> None:
    repository.git("update-index", "--index-version", version)
    assert_recorded(repository, *_FILES)


def test_version_3(repository: Sandbox) -> None:
    repository.git("update-index", "--skip-worktree", "model.bin")
    assert (repository.root / ".git/index").read_bytes()[7] == 3
    assert_recorded(repository, "a/model.bin", _LONG)


def test_sha256(tmp_path: Path) -> None:
    assert_recorded(filled(Sandbox.create(tmp_path / "repository", "sha256", install=False)), *_FILES)


def test_an_index_without_a_checksum(repository: Sandbox) -> None:
    index = repository.root / ".git/index"
    index.write_bytes(index.read_bytes()[:-20] + bytes(20))  # index.skipHash of git 2.40
    assert assert_recorded(repository, "model.bin")[-20:] == bytes(20)


def test_extensions(repository: Sandbox) -> None:
    for words in (["--untracked-cache"], ["--fsmonitor"]):
        repository.git("-c", "core.fsmonitor=true", "update-index", *words)
    index = repository.root / ".git/index"
    extensions = index.read_bytes().partition(b"TREE")[2]
    assert b"UNTR" in extensions
    assert b"FSMN" in extensions
    content = assert_recorded(repository, "a/model.bin", "model.bin")
    assert content.partition(b"TREE")[2][:-20] == extensions[:-20]


def test_a_sparse_index(repository: Sandbox) -> None:
    repository.git("sparse-checkout", "set", "--cone", "--sparse-index", "b")
    assert b"sdir" in (repository.root / ".git/index").read_bytes()
    assert_recorded(repository, "model.bin", _LONG)
    assert b"sdir" in (repository.root / ".git/index").read_bytes()


@pytest.mark.parametrize("configured", [True, False])
def test_a_split_index(configured: bool, repository: Sandbox) -> None:
    if configured:
        repository.git("config", "core.splitIndex", "true")
    repository.git("update-index", "--split-index")
    assert list((repository.root / ".git").glob("sharedindex.*"))
    assert_recorded(repository, "a/model.bin", "model.bin")
    assert b"link" in (repository.root / ".git/index").read_bytes()
    assert repository.git("config", "core.splitIndex", check=False).stdout == ("true\n" if configured else "")


def test_an_index_of_another_worktree(repository: Sandbox, tmp_path: Path) -> None:
    repository.git("worktree", "add", "--quiet", tmp_path / "beside")
    beside = Sandbox(tmp_path / "beside")
    written = write_behind(beside, "model.bin")
    WorktreeIndex(beside.root).record_written(written)
    assert modified(beside) == []


def test_an_index_of_the_persons_own(repository: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (repository.root / ".git/index").read_bytes()
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.root.parent / "own"))
    repository.git("read-tree", "HEAD")
    WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin"))
    assert "model.bin" not in modified(repository)
    assert (repository.root / ".git/index").read_bytes() == before


def test_an_entry_of_something_else_is_left_alone(repository: Sandbox) -> None:
    before = (repository.root / ".git/index").read_bytes()
    WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin", text=b"another text"))
    assert (repository.root / ".git/index").read_bytes() == before


def test_a_conflict_is_left_alone(repository: Sandbox) -> None:
    oid = repository.git("rev-parse", ":model.bin").stdout.strip()
    stages = "".join(f"100644 {oid} {stage}\tmodel.bin\n" for stage in (1, 2, 3))
    repository.git("update-index", "--index-info", input=f"0 {'0' * 40}\tmodel.bin\n{stages}")
    before = (repository.root / ".git/index").read_bytes()
    WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin"))
    assert (repository.root / ".git/index").read_bytes() == before


def test_a_size_that_releases_of_git_note_differently_is_left_to_them(repository: Sandbox) -> None:
    before = (repository.root / ".git/index").read_bytes()
    os.truncate(repository.root / "model.bin", 1 << 32)  # a hole
    stat = (repository.root / "model.bin").stat()
    WorktreeIndex(repository.root).record_written({"model.bin": Written(_TEXT, stat)})
    assert (repository.root / ".git/index").read_bytes() == before


def test_a_change_in_the_second_of_the_index_is_noticed_later_too(repository: Sandbox) -> None:
    index = repository.root / ".git/index"
    stat = (repository.root / "other.txt").stat()
    os.utime(index, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (repository.root / "other.txt").write_bytes(b"two\n")  # the same size
    os.utime(repository.root / "other.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    repository.git("config", "core.trustctime", "false")
    WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin"))
    assert modified(repository) == ["other.txt"]


def test_another_git_that_is_soon_done_is_waited_for(repository: Sandbox) -> None:
    lock = repository.root / ".git/index.lock"
    written = write_behind(repository, "model.bin")
    lock.touch()
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    WorktreeIndex(repository.root).record_written(written)
    timer.join()
    assert modified(repository) == []


def test_what_another_git_wrote_meanwhile_stays(repository: Sandbox) -> None:
    index = repository.root / ".git/index"
    written = write_behind(repository, "model.bin")
    repository.write("new.txt", b"new\n")
    lock = repository.root / ".git/index.lock"
    lock.touch()

    def add() -> None:
        time.sleep(0.2)  # the index has been read, and its lock is waited for
        copy = repository.root / ".git/copy"
        copy.write_bytes(index.read_bytes())
        repository.git("add", "new.txt", env={"GIT_INDEX_FILE": str(copy)})
        copy.rename(index)
        lock.unlink()

    thread = threading.Thread(target=add)
    thread.start()
    WorktreeIndex(repository.root).record_written(written)
    thread.join()
    assert modified(repository) == []
    assert repository.git("status", "--porcelain").stdout == "A  new.txt\n"


def test_an_index_that_stays_locked(repository: Sandbox) -> None:
    before = (repository.root / ".git/index").read_bytes()
    lock = repository.root / ".git/index.lock"
    lock.touch()
    with pytest.raises(GitError, match=r"index\.lock"):
        WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin"))
    assert lock.exists()
    assert (repository.root / ".git/index").read_bytes() == before


@pytest.mark.parametrize("damage", ["version", "checksum", "extension"])
def test_what_is_not_understood_is_left_alone(damage: str, repository: Sandbox) -> None:
    index = repository.root / ".git/index"
    data = bytearray(index.read_bytes())
    if damage == "version":
        data[7] = 5
    elif damage == "checksum":
        data[-1] ^= 1
    else:
        at = data.index(b"TREE")
        data[at : at + 4] = b"tree"
    if damage != "checksum":
        data[-20:] = bytes(20)
    index.write_bytes(data)
    with pytest.raises(GitError, match="index"):
        WorktreeIndex(repository.root).record_written(write_behind(repository, "model.bin"))
    assert index.read_bytes() == data
