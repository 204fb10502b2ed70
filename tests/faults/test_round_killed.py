"""L5, L7: kill -9 at any moment of closing a round: there is the next one, as it is to be, or nothing has happened."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.cli.test_round import checkpoint, tune
from tests.faults.harness import copied
from tests.faults.test_killed_at_random import KILLS, kill, telling, tree_of
from tests.sandbox import Sandbox
from tests.templates import built_once

CLOSE = ("theta", "round", "close")
NEXT = "cold/1"
OWN = {"m.safetensors": checkpoint((7, 7)), "notes.txt": b"my own\n"}
"""What the person has in the worktree, and did not commit."""


@built_once
def _submit_heads(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(".theta/rounds.toml", b'[round.cold]\nprivate = ["head.*"]\n')
    sandbox.write("m.safetensors", checkpoint())
    sandbox.commit("Start")
    sandbox.theta("round", "start", "cold")
    for number, who in enumerate(("ann", "bob", "cat"), 2):
        tune(sandbox, who, checkpoint((number, 0), (number,)))
        sandbox.theta("round", "submit", "--as", who)
    for path, content in OWN.items():
        sandbox.write(path, content)


def test_a_round_whose_close_is_killed_is_closed_again(sandbox: Sandbox, tmp_path: Path) -> None:
    _submit_heads(sandbox)
    done = copied(sandbox.root, tmp_path / "done")
    started = time.monotonic()
    done.git(*CLOSE)
    seconds, wanted = time.monotonic() - started, tree_of(done, NEXT)
    landed = 0
    for attempt in range(10 * KILLS):
        again = copied(sandbox.root, tmp_path / f"{attempt}")
        delay, everybody = random.uniform(0, seconds), random.random() < 0.5
        with telling(f"{landed} landed; killed {'all' if everybody else 'one'} after {delay:.4f} s"):
            landed += kill(again, CLOSE, delay, everybody=everybody)[0]
            _assert_closed_or_untouched(again, wanted)
        if landed == KILLS:
            return
    raise AssertionError(f"of {10 * KILLS} kills {landed} landed in {seconds:.3f} s")


def _assert_closed_or_untouched(sandbox: Sandbox, wanted: str) -> None:
    sandbox.remove_locks()
    if not sandbox.git("tag", "--list", NEXT).stdout:
        sandbox.git(*CLOSE)
    assert tree_of(sandbox, NEXT) == wanted
    assert {path: sandbox.read(path) for path in OWN} == OWN
    assert not sandbox.git("tag", "--list", "cold/2").stdout
    sandbox.theta("fsck")
