"""``git-lfs-authenticate``: what a host tells over ssh, so that its Git LFS server lets us in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import TransportError
from git_theta.transport.lfs.endpoint import SshPlace
from git_theta.transport.patience import SilenceClock
from git_theta.transport.watched_program import wait_watched
from git_theta.vcs.credentials import prompting_environment
from git_theta.vcs.git import open_scratch
from git_theta.vcs.ssh import ssh_arguments
from git_theta.words import shorten_text

_NO_LFS_HINT = "A server without Git LFS takes objects too: git config theta.remote.NAME.transport git"

_HOME = re.compile(r"~[A-Za-z0-9._-]*(?:/|\Z)")


class CannotAsk(TransportError):
    """A host does not let us ask; git-lfs has ways in that we have not.

    Args:
        who: the host, and what we did there.
        reason: why not, in its words.
        hint: what the person can do about it.
    """

    def __init__(self, who: str, reason: str, *, hint: str) -> None:
        super().__init__(f"{who}: {reason}", hint=hint)
        self.reason = reason


class SshLeave(NamedTuple):
    """What the host answered.

    Attributes:
        href: where its Git LFS server is; "" where it does not say.
        headers: to send there. They let anybody in.
    """

    href: str
    headers: Mapping[str, str]


def log_in(place: SshPlace, clock: SilenceClock, *, ask: bool) -> SshLeave:
    """Ask a host for leave to ask its Git LFS server. Raises CannotAsk where it gives none.

    Args:
        place: the repository there.
        clock: gives up on a host that is silent.
        ask: whether ssh may ask the person.
    """
    command = ssh_arguments(place.host, place.port, f"git-lfs-authenticate {_quote(place.path)} download")
    status, output, words = _run_watched(command, clock, ask=ask)
    leave = parse_leave(output) if status == 0 else None
    if leave:
        return leave
    reason = words.decode(errors="replace").strip() or f"it exited {status}"
    raise CannotAsk(f"{place.host}: git-lfs-authenticate", shorten_text(reason), hint=_NO_LFS_HINT)


def _run_watched(command: Sequence[str], clock: SilenceClock, *, ask: bool) -> tuple[int, bytes, bytes]:
    """How a program ended, what it printed, and what it said of errors."""
    with open_scratch(in_memory=True) as output, open_scratch(in_memory=True) as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=words,
            env=prompting_environment(ask=ask),
            start_new_session=not ask,  # without a terminal, nobody can be asked there
        )
        wait_watched(clock)(process, lambda: os.fstat(output.fileno()).st_size)
        output.seek(0)
        words.seek(0)
        return process.returncode, output.read(), words.read()


def parse_leave(answer: bytes) -> SshLeave | None:
    """What a host answered; None where that is no answer of a Git LFS server."""
    with contextlib.suppress(ValueError, RecursionError, AttributeError):
        said = json.loads(answer)
        headers = said.get("header") or {}
        return SshLeave(str(said.get("href") or ""), {str(name): str(text) for name, text in headers.items()})
    return None


def _quote(path: str) -> str:
    """A path for the shell there, which replaces ``~`` and ``~user`` at its beginning, and nothing else."""
    home = _HOME.match(path)
    start = home[0] if home else ""
    return start if start == path else start + shlex.quote(path[len(start) :])
