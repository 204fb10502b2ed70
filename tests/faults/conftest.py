"""Repositories in which something is about to go wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.scenes import MODEL, copied, large, small
from tests.sandbox import Sandbox

_KINDS: dict[str, list[Callable[[], bytes]]] = {
    "empty": [],
    "small": [partial(small, 0), partial(small, 1)],
    "large": [partial(large, 0), partial(large, 1)],
}


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By kind, a repository with two versions of a checkpoint, tagged ``v0`` and ``v1``; and an empty one."""
    roots = {}
    for kind, versions in _KINDS.items():
        sandbox = Sandbox.create(tmp_path_factory.mktemp("templates") / kind)
        sandbox.theta("track", "*.safetensors", "*.pt")
        sandbox.commit("track")
        for number, version in enumerate(versions):
            sandbox.write(MODEL, version())
            sandbox.commit(f"version {number}")
            sandbox.git("tag", f"v{number}")
        roots[kind] = sandbox.root
    return roots


@pytest.fixture
def empty(templates: dict[str, Path], tmp_path: Path) -> Sandbox:
    """A repository that tracks checkpoints and has none yet."""
    return copied(templates["empty"], tmp_path / "repository")


@pytest.fixture
def with_small(templates: dict[str, Path], tmp_path: Path) -> Sandbox:
    """A repository at the later of two versions of a small checkpoint."""
    return copied(templates["small"], tmp_path / "repository")


@pytest.fixture
def with_large(templates: dict[str, Path], tmp_path: Path) -> Sandbox:
    """A repository at the later of two versions of a large checkpoint."""
    return copied(templates["large"], tmp_path / "repository")


class Disk:
    """A file system of a few megabytes, mounted at ``folder``."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")

    def remount(self, options: str) -> None:
        self._mount("-o", f"remount,{options}")

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def _mount(self, *args: str) -> None:
        done = subprocess.run(["mount", *args, self.folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def mounted() -> Iterator[Callable[[Path, int], Disk]]:
    """(folder, megabytes) -> a new file system at that folder, for the length of the test."""
    disks: list[Disk] = []

    def mount(folder: Path, megabytes: int) -> Disk:
        disk = Disk(folder, megabytes)
        disks.append(disk)
        return disk

    yield mount
    for disk in reversed(disks):
        disk.unmount()
