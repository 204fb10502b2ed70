"""The Git command that runs us: its words, read from the command line of its process."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

_OPTIONS_WITH_VALUE = frozenset(
    ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env")
)
_FARTHEST_PUSH = 10
"""Processes between a hook of ours and its `git push`, at most: shells, and managers of hooks."""
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))


@cache
def parent_command() -> list[str]:
    """Our parent's Git command and its arguments; nothing where that is no git."""
    return _skip_global_options(_git_arguments(os.getppid()))


def push_options() -> list[str]:
    """What the nearest ancestor that is a `git push` was told; whatever manages hooks may stand between."""
    process = os.getppid()
    for _ in range(_FARTHEST_PUSH):
        words = _skip_global_options(_own_git_arguments(_read_command_line(process)))
        if words[:1] == ["push"]:
            return words[1:]
        process = _parent_of(process)
        if process <= 1:
            break
    return []


def _skip_global_options(arguments: list[str]) -> list[str]:
    """A Git command and its arguments, without what stands before the command."""
    while arguments and arguments[0].startswith("-"):
        arguments = arguments[2 if arguments[0] in _OPTIONS_WITH_VALUE else 1 :]
    return arguments


def _git_arguments(process: int) -> list[str]:
    """What ``git`` was given by the nearest ancestor that is git, past the shell that starts filters; else nothing."""
    for _ in range(3):
        words = _read_command_line(process)
        if not words:
            return []
        if arguments := _own_git_arguments(words):
            return arguments
        if Path(words[0]).name.lstrip("-") not in _SHELLS:
            return []
        process = _parent_of(process)
    return []


def _own_git_arguments(words: list[str]) -> list[str]:
    """The command and its arguments where a command line is that of ``git``; else nothing."""
    program = Path(words[0]).name if words else ""
    if program == "git":
        return words[1:]
    return [program.removeprefix("git-"), *words[1:]] if program.startswith("git-") else []


def _read_command_line(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return _ps_column(process, "command").split()


def _parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return int(_ps_column(process, "ppid") or 0)


def _ps_column(process: int, column: str) -> str:
    """One column of ps: for systems without /proc."""
    done = subprocess.run(["ps", "-o", f"{column}=", "-p", str(process)], capture_output=True, text=True)
    return done.stdout.strip()
