"""What a command prints, as Git prints: through its pager and in colours, where a person watches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing, suppress

from git_theta.vcs.git import git

_NO_PAGER = ("", "cat")
_SHELL_CHARACTERS = frozenset("|&;<>()$`\\\"' \t\n*?[#~=%")
"""What Git hands to a shell; a command without any of it is run as it is, and may be missing."""
_PAGER_ENVIRONMENT = {"LESS": "FRX", "LV": "-c"}
"""Git's own: less shows colours, and ends by itself where the text fits on the screen."""


def print_paged(text: str | Iterable[str]) -> None:
    """Print ``text``, or pieces of it as they come: through Git's pager when stdout is a terminal.

    A person may quit the pager early; what was not read then is no error.
    """
    pieces = [text] if isinstance(text, str) else text
    pager = _start_pager() if sys.stdout.isatty() else None
    if pager is None:
        # Not click.echo, which takes colours out where nobody watches: `color.ui=always` asks for them.
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
        return
    assert pager.stdin
    try:
        with suppress(BrokenPipeError), closing(pager.stdin) as screen:
            for piece in pieces:
                screen.write(piece)
                screen.flush()
    finally:
        _wait_for_pager(pager)


def uses_color(slot: str = "color.ui") -> bool:
    """Whether Git would print in colours: ``slot`` is its setting, such as ``color.diff``.

    Who sets NO_COLOR (no-color.org) sees none, but where that setting asks for them by ``always``.
    """
    watched = "true" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "false"
    return git("config", "--get-colorbool", slot, watched).strip() == b"true"


def _start_pager() -> subprocess.Popen[str] | None:
    """Git's pager, or None where it has none, or that cannot be run."""
    command = git("var", "GIT_PAGER").decode(errors="surrogateescape").strip()
    if command in _NO_PAGER:
        return None
    sys.stdout.flush()
    with suppress(OSError):
        return subprocess.Popen(
            command if _SHELL_CHARACTERS & set(command) else [command],
            shell=bool(_SHELL_CHARACTERS & set(command)),
            stdin=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**_PAGER_ENVIRONMENT, **os.environ, "GIT_PAGER_IN_USE": "true"},
        )
    return None


def _wait_for_pager(pager: subprocess.Popen[str]) -> None:
    """Until the person quits it. Ctrl-C is for the pager: without us it would fight the shell for the terminal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.wait()
    finally:
        signal.signal(signal.SIGINT, before)
