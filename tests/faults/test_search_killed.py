"""kill -9 at any moment of a search, again and again: what is written is what a search writes that nobody killed.

``KILLS=50 make test PYTEST=tests/faults/test_search_killed.py`` kills one fifty times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cli.test_search import prepare
from tests.faults.harness import CONVERSATION, copied
from tests.faults.test_killed_at_random import KILLS
from tests.sandbox import Sandbox

SEARCH = ("theta", "search", "-s", "average,task-arithmetic,ties", "--budget", "16", "y")


def read_evaluations(sandbox: Sandbox) -> list[dict[str, Any]]:
    (file,) = (sandbox.root / ".git/theta/search").iterdir()
    return [{**json.loads(line), "seconds": 0} for line in file.read_bytes().splitlines()]


def test_a_search_that_is_killed_at_random_comes_to_what_it_would_have_come_to(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    prepare(sandbox)
    alone = copied(sandbox.root, tmp_path / "alone")
    begun = time.monotonic()
    alone.git(*SEARCH)
    seconds = time.monotonic() - begun
    for _ in range(KILLS):
        process = subprocess.Popen(
            ["git", *SEARCH, "--resume"], cwd=sandbox.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(random.uniform(0, seconds))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(CONVERSATION)
    sandbox.git(*SEARCH, "--resume")
    assert read_evaluations(sandbox) == read_evaluations(alone)
