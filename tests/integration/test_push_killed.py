"""L7: a push that is killed at any moment, with all that it started, leaves no commit without its objects.

``THETA_TEST_KILLS=100`` has it killed so many times.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from itertools import count

from tests.integration.checkpoint_history import MODEL, assert_round_trip
from tests.integration.shared_model import SharedModel, needs_lfs
from tests.integration.test_sharing import leftovers
from tests.sandbox import changed, model

KILLS = int(os.environ.get("THETA_TEST_KILLS", "3"))

pytestmark = needs_lfs


def kill_push(shared: SharedModel, after: float) -> bool:
    """Push ``main``; kill Git, and whatever it started, ``after`` seconds. Whether there was anything left to kill."""
    push = subprocess.Popen(
        ["git", "push", "--quiet", "origin", "main"],
        cwd=shared.alice.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a group of its own, so that nothing else is killed
    )
    try:
        push.wait(after)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(push.pid, signal.SIGKILL)
        return push.wait() == -signal.SIGKILL
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
    before, an_hour_ago = leftovers(shared), time.time() - 3600
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
    for file in (shared.alice.root / ".git/theta/tmp").iterdir():  # what nobody has written for a while is nobody's
        os.utime(file, (an_hour_ago, an_hour_ago))
    shared.alice.sandbox.write(MODEL, changed(shared.alice.sandbox.read(MODEL), "second"))
    shared.alice.sandbox.commit("after all that")
    shared.alice.git("push", "--quiet", "origin", "main")
    assert_round_trip(shared.clone("fresh"), {MODEL: shared.alice.sandbox.read(MODEL)})
    assert leftovers(shared)["configuration"] == before["configuration"]
    assert leftovers(shared)["temporary"] == before["temporary"]
