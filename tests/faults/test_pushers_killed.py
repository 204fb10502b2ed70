"""kill -9 of whoever pushes, with all programs it started, at any moment: the remote has whole objects or none."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from git_theta.store.leftovers import sweep_temporaries
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.base import Transport
from git_theta.transport.directory import DirectoryTransport
from git_theta.transport.git.git_transport import GitTransport
from tests.sandbox import Sandbox
from tests.transport.git.test_git_transport import access_to, contents_of

pytestmark = pytest.mark.genuine  # a group of processes is killed: all of it dies at once

KILLS = 3
"""Of each transport; 100 have been."""
CONTENTS = [noise_bytes(size, size) for size in (0, 1, 70_000, 300_000, 1_500_000)]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}


class Pusher:
    """A person's repository and a remote that is new for each push."""

    def __init__(self, folder: Path) -> None:
        self.person = Sandbox.create(folder / "person", install=False).root / ".git"
        self.theta = self.person / "theta"
        self.ours = LocalStore(self.theta)
        for content in CONTENTS:
            self.ours.put([content])
        self.ours.sync()
        self._folders = (folder / f"remote{number}" for number in range(10_000))
        self.next_remote()

    def next_remote(self) -> None:
        self.remote = next(self._folders)

    def open_transport(self) -> Transport:
        raise NotImplementedError

    def read_remote(self) -> Mapping[str, bytes]:
        """What the remote has, by object id; what is no object by other keys."""
        raise NotImplementedError

    def push(self) -> None:
        with self.open_transport() as transport:
            assert [one for one in transport.push(SIZES) if one.error] == []


class DirectoryPusher(Pusher):
    def open_transport(self) -> Transport:
        return DirectoryTransport(self.ours, LocalStore(self.remote))

    def read_remote(self) -> Mapping[str, bytes]:
        files = (self.remote / "objects").rglob("*")
        return {file.name: file.read_bytes() for file in files if file.is_file()}


class CopyingPusher(DirectoryPusher):
    """The remote is on another file system, as far as links go."""

    def open_transport(self) -> Transport:
        for file in self.theta.glob("objects/??/??/*"):
            file.chmod(0o644)  # what somebody may write to is copied
        return super().open_transport()


class GitPusher(Pusher):
    def next_remote(self) -> None:
        super().next_remote()
        Sandbox.create(self.remote, install=False, bare=True)

    def open_transport(self) -> Transport:
        return GitTransport(self.ours, access_to(self.remote, self.person), self.theta, print)

    def read_remote(self) -> Mapping[str, bytes]:
        return contents_of(self.remote)


@pytest.fixture(params=[DirectoryPusher, CopyingPusher, GitPusher])
def pusher(request: pytest.FixtureRequest, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Pusher:
    """Who pushes."""
    made: Pusher = request.param(tmp_path)
    monkeypatch.chdir(made.person.parent)
    return made


def test_l7_a_pusher_that_is_killed_leaves_whole_objects_or_none(pusher: Pusher) -> None:
    start = time.monotonic()
    pusher.push()
    span = time.monotonic() - start
    generator = random.Random(span)
    landed = 0
    while landed < KILLS:
        pusher.next_remote()
        landed += kill_after(generator.random() * span, pusher.push)
        there = pusher.read_remote()
        assert there.items() <= OBJECTS.items()
        pusher.push()
        assert pusher.read_remote() == OBJECTS
    for folder in (pusher.theta / "tmp", pusher.remote / "tmp"):
        for path in folder.glob("*"):
            os.utime(path, (1, 1))  # long ago
        sweep_temporaries(folder)
        assert list(folder.glob("*")) == []


def kill_after(seconds: float, work: Callable[[], None]) -> bool:
    """Let a process of its own do the work, and kill it with all its children; whether it was still at it."""
    child = os.fork()
    if not child:
        try:
            os.setsid()
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to its group yet, or has ended
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
