"""Ctrl-C and kill during ``git add`` and ``git checkout``: a quick end, nothing left behind, and a sound repository."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from git_theta.manifest.text import is_manifest
from tests.faults import faulty_process
from tests.faults.harness import (
    CONVERSATION,
    MODEL,
    Stage,
    assert_comes_back,
    assert_decent,
    assert_holds,
    large,
    leftovers,
    streamed,
)
from tests.sandbox import Sandbox

# Genuine: what a terminal signals is a group of processes.
pytestmark = [pytest.mark.usefixtures("interruptible"), pytest.mark.genuine]

Send = Callable[[int, signal.Signals], None]
SENDERS: dict[str, Send] = {"to-git-alone": os.kill, "as-the-terminal-does": os.killpg}
"""Both are given git's process id, which is that of its process group too."""
SIGNS = [signal.SIGINT, signal.SIGTERM]

CLEAN = [
    Stage("git_theta.store.local:write_chunk", "before"),
    Stage("git_theta.store.local:LocalStore._move_into_place", "before"),
    Stage("git_theta.store.local:LocalStore.sync", "before"),
    Stage("git_theta.vcs.pktline:PacketWriter.write_content", "before"),
]


CASES = [
    (stage, sign, sender)
    for number, stage in enumerate(CLEAN)
    for sign, sender in zip(SIGNS, list(SENDERS)[:: -1 if number % 2 else 1], strict=True)
]
"""Each stage with each signal and each sender, and each signal with each sender: in pairs."""


@pytest.mark.parametrize(("stage", "sign", "sender"), CASES, ids=str)
def test_add_interrupted(stage: Stage, sign: signal.Signals, sender: str, empty: Sandbox) -> None:
    send = SENDERS[sender]
    empty.write(MODEL, streamed())
    said = interrupted(empty, stage, sign, send, "add", MODEL)
    assert_decent(said)
    assert leftovers(empty) == []
    assert empty.git("status", "--porcelain").stdout == f"?? {MODEL}\n"
    empty.git("add", MODEL)
    assert_comes_back(empty, streamed())


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    "target",
    [
        "git_theta.operations.restoring.materialise:_write_all",
        "git_theta.operations.restoring.deferred:decode_manifest",
    ],
)
def test_deferred_write_interrupted(target: str, sign: signal.Signals, with_large: Sandbox) -> None:
    said = interrupted(with_large, Stage(target, "before"), sign, os.killpg, "checkout", "v0")
    assert_decent(said)
    assert "git theta checkout" in said
    assert leftovers(with_large) == []
    assert is_manifest(with_large.read(MODEL))
    assert with_large.git("status", "--porcelain").stdout == ""
    with_large.theta("checkout")
    assert_holds(with_large, large(0))


def interrupted(sandbox: Sandbox, stage: Stage, sign: signal.Signals, send: Send, *args: str) -> str:
    """``git ARGS``, with a signal sent to it while our process stands at a stage; what both said."""
    marker = sandbox.root.parent / "marker"
    process = faulty_process.command("fault", stage.target, stage.when, str(stage.nth), "pause", marker)
    git = subprocess.Popen(
        ["git", "-c", f"filter.theta.process={process}", *args],
        cwd=sandbox.root,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    faulty_process.wait_for(marker, CONVERSATION)
    send(git.pid, sign)
    time.sleep(0.05)  # for git to hang up before our process goes on; were it later, that would only be less of a test
    marker.unlink()
    _, said = git.communicate(timeout=CONVERSATION)  # stderr ends when our process has ended too
    assert git.returncode != 0
    return said
