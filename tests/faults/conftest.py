"""Repositories in which something is about to go wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.harness import MODEL, large, small
from tests.sandbox import Sandbox
from tests.templates import built_once


@built_once
def _record(sandbox: Sandbox, *versions: bytes) -> None:
    """Versions of a checkpoint, tagged ``v0``, ``v1`` ..."""
    sandbox.theta("track", "*.safetensors", "*.pt")
    sandbox.commit("track")
    for number, version in enumerate(versions):
        sandbox.write(MODEL, version)
        sandbox.commit(f"version {number}")
        sandbox.git("tag", f"v{number}")


@pytest.fixture
def empty(sandbox: Sandbox) -> Sandbox:
    """A repository that tracks checkpoints and has none yet."""
    _record(sandbox)
    return sandbox


@pytest.fixture
def with_small(sandbox: Sandbox) -> Sandbox:
    """A repository at the later of two versions of a small checkpoint."""
    _record(sandbox, small(0), small(1))
    return sandbox


@pytest.fixture
def with_large(sandbox: Sandbox) -> Sandbox:
    """A repository at the later of two versions of a large checkpoint."""
    _record(sandbox, large(0), large(1))
    return sandbox


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
