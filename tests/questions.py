"""What a person is asked by ``git theta resolve -i``, on a terminal, and answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence

from tests.sandbox import Sandbox


def answer_questions(sandbox: Sandbox, answers: Sequence[str], *arguments: str) -> tuple[int, str]:
    """Run ``git theta resolve -i``, and answer one question after the other: its exit code, and all it said."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        ["git", "theta", "resolve", "-i", *arguments],
        cwd=sandbox.root,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    said, waiting, deadline = "", list(answers), time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([controller], [], [], 1)[0]:
            continue
        try:
            piece = os.read(controller, 4096).decode()
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
        if said.endswith(": ") and waiting:
            os.write(controller, waiting.pop(0).encode() + b"\n")
    os.close(controller)
    code = process.wait(timeout=60)
    assert not waiting, said
    return code, said
