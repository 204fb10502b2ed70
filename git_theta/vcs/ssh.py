"""Run a command on another machine, with the ssh that Git uses."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from git_theta.errors import GitError
from git_theta.vcs.remembered_settings import find_setting

_COMMAND, _PROGRAM = "GIT_SSH_COMMAND", "GIT_SSH"
_PLINKS = ("plink", "tortoiseplink")


def ssh_arguments(host: str, port: str, command: str) -> list[str]:
    """The program and arguments that run ``command`` on a host, as Git and git-lfs would.

    Args:
        host: with the user, if need be. Raises GitError where it looks like an option of ssh.
        port: "" for ssh's own choice.
        command: a line for the shell there.
    """
    if host.startswith("-"):
        raise GitError(f"no name of a host: {host!r}")
    words, needs_shell = _ssh_command()
    program = Path(words.split()[0] if needs_shell else words).stem.lower()
    options = ["-batch"] if program == "tortoiseplink" else []
    if port:
        options += ["-P" if program in _PLINKS else "-p", port]
    arguments = [*options, *(["--"] if program == "ssh" else []), host, command]
    return ["sh", "-c", f"{words} {shlex.join(arguments)}"] if needs_shell else [words, *arguments]


def _ssh_command() -> tuple[str, bool]:
    """What runs ssh, and whether that is a line for the shell."""
    if line := os.environ.get(_COMMAND):
        return line, True
    if line := find_setting("core.sshcommand"):
        return line, True
    return os.environ.get(_PROGRAM) or "ssh", False
