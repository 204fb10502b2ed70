"""What killed processes left is swept, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_theta.store.leftovers import sweep_temporaries
from git_theta.store.local import LocalStore


@pytest.fixture
def died() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_leftovers_of_killed_processes_are_swept(tmp_path: Path, died: int) -> None:
    folder = tmp_path
    (folder / "of-another-program").mkdir()
    swept = {
        f"{died}-0a": 0.2,
        f".theta-{died}-0a": 0.2,
        f"{os.getpid()}-0a": 25,
        "unknown": 25,
        "of-another-program": 25,
    }
    kept = {f"{died}-0b": 0.1, f".theta-{died}-0b": 0.1, f"{os.getpid()}-0b": 23, "1-0b": 0.2, "young": 23}
    for name, age in {**swept, **kept}.items():
        leave(folder / name, age)
    sweep_temporaries(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kept, "of-another-program"])


@pytest.mark.skipif(sys.platform != "linux", reason="whether a process has died is told by /proc")
def test_a_killed_process_that_its_parent_does_not_ask_for_is_none_any_more(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        for name, age in {f"{process.pid}-0a": 0.2, f"{process.pid}-0b": 0.1}.items():
            leave(tmp_path / name, age)
        sweep_temporaries(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [f"{process.pid}-0b"]


def test_folders_of_killed_processes_are_swept_whole(tmp_path: Path, died: int) -> None:
    for name, age in {f"{died}-0a": 0.2, f"{died}-0b": 0.1, f".theta-{died}-0a": 0.2}.items():
        (tmp_path / name / "objects").mkdir(parents=True)
        (tmp_path / name / "objects" / "pack").write_bytes(b"much")
        leave(tmp_path / name, age)
    (tmp_path / f"{died}-0c").symlink_to(tmp_path / f"{died}-0b", target_is_directory=True)
    os.utime(tmp_path / f"{died}-0c", (1, 1), follow_symlinks=False)
    sweep_temporaries(tmp_path, shared=True)
    assert len(list(tmp_path.iterdir())) == 4  # among other people's files there are none of ours
    sweep_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{died}-0b", f"{died}-0c"]
    assert (tmp_path / f"{died}-0b" / "objects" / "pack").exists()


def test_a_store_that_is_written_is_swept(tmp_path: Path, died: int) -> None:
    store = LocalStore(tmp_path / "theta")
    (store.root / "tmp").mkdir(parents=True)
    leave(store.root / "tmp" / f"{died}-0a", 0.2)
    store.put([b"an object"])
    assert list((store.root / "tmp").iterdir()) == []


def test_among_other_peoples_files_only_ours_are_swept(tmp_path: Path, died: int) -> None:
    for name in (f".theta-{died}-0a", f"{died}-0a", "model.bin", ".theta-notes"):
        leave(tmp_path / name, 30)
    sweep_temporaries(tmp_path, shared=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{died}-0a", "model.bin", ".theta-notes"])


def leave(file: Path, hours: float) -> None:
    """A file, or the folder that is there, that nobody has written for so many hours."""
    if not file.exists():
        file.touch()
    then = time.time() - hours * 3600
    os.utime(file, (then, then))
