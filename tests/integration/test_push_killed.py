"""L7: whoever is killed at any moment of a push, the pusher or the host, no commit is there without its objects.

``THETA_TEST_KILLS=100`` has them killed so many times.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import MODEL, assert_round_trip
from tests.integration.shared_model import SharedModel, needs_lfs
from tests.integration.test_sharing import leftovers
from tests.sandbox import Sandbox, changed, model
from tests.servers.git_http import GitHost

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("THETA_TEST_KILLS", "3"))

pytestmark = [needs_lfs, pytest.mark.genuine]  # a group of processes is killed: all of it dies at once


def start_push(shared: SharedModel) -> subprocess.Popen[bytes]:
    """Push ``main`` of Alice, in a group of processes of its own, so that nothing else is killed."""
    return subprocess.Popen(
        ["git", "push", "--quiet", "origin", "main"],
        cwd=shared.alice.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_push(shared: SharedModel, after: float) -> bool:
    """Push ``main``; kill Git, and whatever it started, ``after`` seconds. Whether there was anything left to kill."""
    push = start_push(shared)
    try:
        push.wait(after)
    except subprocess.TimeoutExpired:
        kill_group(push)
        killed = push.wait() == -signal.SIGKILL
        assert (
            shared.host.requests
        )  # once the host is done with what it got: it locks the ref that the next push is for
        shared.alice.sandbox.remove_locks()
        return killed
    assert push.returncode == 0
    return False


def train(shared: SharedModel, number: int) -> None:
    """A commit whose push takes a while: three new objects."""
    trained = model(number, first=(300, 300), second=(300, 300), third=(300, 300))
    shared.alice.sandbox.write(MODEL, trained)
    shared.alice.sandbox.commit(f"trained {number}")


def is_pushed(shared: SharedModel) -> bool:
    """Whether the host has the commit that Alice is at."""
    return shared.alice.git("rev-parse", "HEAD").strip() in shared.refs()


def test_a_push_that_is_killed_leaves_no_commit_without_its_objects(shared: SharedModel) -> None:
    before, long_ago = leftovers(shared), time.time() - 2 * 24 * 3600
    shared.host.lfs(shared.name).latency = 0.02
    train(shared, 0)
    started = time.perf_counter()
    shared.alice.git("push", "--quiet", "origin", "main")
    whole = time.perf_counter() - started
    chance, numbers, landed = random.Random(KILLS), count(1), 0
    while landed < KILLS:
        if is_pushed(shared):
            train(shared, next(numbers))
        landed += kill_push(shared, chance.uniform(0, whole))
        shared.assert_whole()
    for file in (shared.alice.root / ".git/theta/tmp").iterdir():  # a day after, it is nobody's, whoever has its number
        os.utime(file, (long_ago, long_ago))
    shared.alice.sandbox.write(MODEL, changed(shared.alice.sandbox.read(MODEL), "second"))
    shared.alice.sandbox.commit("after all that")
    shared.alice.git("push", "--quiet", "origin", "main")
    assert_round_trip(shared.clone("fresh"), {MODEL: shared.alice.sandbox.read(MODEL)})
    assert leftovers(shared)["configuration"] == before["configuration"]
    assert leftovers(shared)["temporary"] == before["temporary"]


def start_host(folder: Path, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """A host of its own process, and its URL."""
    command = [sys.executable, "-m", "tests.servers.git_http", os.fspath(folder), str(port)]
    host = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    assert host.stdout
    return host, host.stdout.readline().decode().strip()


def stop_host(host: subprocess.Popen[bytes]) -> None:
    kill_group(host)
    host.communicate()


@pytest.fixture
def alone(shared: SharedModel) -> Iterator[SharedModel]:
    """It in a folder of its own, which a host of another process can serve; this one only looks."""
    (shared.folder / "host").mkdir()
    shared.bare.root.rename(shared.folder / "host" / shared.name)
    with GitHost(shared.folder / "host") as host:
        host.create(shared.name)
        yield replace(shared, host=host)


def test_a_host_that_is_killed_has_no_commit_without_its_objects(alone: SharedModel) -> None:
    """And what came in halfway is no object: the next push brings it."""
    alone.alice.git("config", "lfs.transfer.maxretries", "1")
    chance, port = random.Random(KILLS), 0
    train(alone, 0)
    for number in range(1, KILLS + 1):
        host, url = start_host(alone.host.folder, port)
        port = int(url.rpartition(":")[2])
        alone.alice.git("remote", "set-url", "origin", f"{url}/{alone.name}")
        push = start_push(alone)
        time.sleep(chance.uniform(0.2, 1.5))
        stop_host(host)
        assert (push.wait(60) == 0) <= is_pushed(alone)
        Sandbox(alone.host.folder / alone.name).remove_locks()
        alone.assert_whole()
        if is_pushed(alone):
            train(alone, number)
    host, url = start_host(alone.host.folder, port)
    alone.alice.git("push", "--quiet", "origin", "main")
    clone = Sandbox.clone(f"{url}/{alone.name}", alone.folder / "fresh")
    stop_host(host)
    assert_round_trip(clone, {MODEL: alone.alice.sandbox.read(MODEL)})


def kill_fetch(clone: Sandbox, after: float) -> bool:
    """Fetch all objects; kill that, and whatever it started, ``after`` seconds. Whether it was still at it."""
    fetch = subprocess.Popen(
        ["git", "theta", "fetch", "--all"],
        cwd=clone.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        fetch.wait(after)
    except subprocess.TimeoutExpired:
        kill_group(fetch)
        return fetch.wait() == -signal.SIGKILL
    assert fetch.returncode == 0
    return False


def test_a_fetch_that_is_killed_leaves_whole_objects_or_none(
    shared: SharedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.host.lfs(shared.name).latency = 0.02
    train(shared, 0)
    shared.alice.git("push", "--quiet", "origin", "main")
    monkeypatch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
    clone = shared.clone("fresh")
    monkeypatch.delenv("GIT_THETA_SKIP_SMUDGE")
    theta = clone.root / ".git/theta"
    started = time.perf_counter()
    clone.git("theta", "fetch", "--all")
    whole, everything = time.perf_counter() - started, clone.theta("fsck").stdout
    chance, landed = random.Random(KILLS), 0
    while landed < KILLS:
        shutil.rmtree(theta / "objects")
        landed += kill_fetch(clone, chance.uniform(0, whole))
        for file in (theta / "objects").glob("??/??/*"):
            assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        clone.theta("fetch", "--all")
        assert list((theta / "incoming").glob("*")) == []
    assert clone.theta("fsck").stdout.splitlines()[0] == everything.splitlines()[0]
    clone.theta("pull")
    assert_round_trip(clone, {MODEL: shared.alice.sandbox.read(MODEL)})
    for scratch in (theta / "tmp").iterdir():  # a day after
        os.utime(scratch, (1, 1))
    clone.theta("fsck")
    assert list((theta / "tmp").iterdir()) == []
