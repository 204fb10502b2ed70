"""Which Git command runs a filter: it decides whether files may be written after the command is done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_CHECKING_OUT = frozenset(
    ("bisect", "checkout", "cherry-pick", "clone", "merge", "pull", "read-tree", "rebase", "reset", "restore", "revert",
     "stash", "submodule", "switch", "worktree")
)  # fmt: skip
_TAKES_VALUE = frozenset(("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env"))
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))
_RUNS_COMMANDS = ("-x", "--exec", "-i", "--interactive", "--edit-todo", "--continue", "--skip")


def may_defer() -> bool:
    """Whether our parent is a Git command that checks files out and runs nothing that could see them before it ends.

    Where the answer is not known it is no. ``git rebase --exec`` runs commands between its steps.
    """
    arguments = _git_arguments(os.getppid())
    while arguments and arguments[0].startswith("-"):
        del arguments[: 2 if arguments[0] in _TAKES_VALUE else 1]
    if not arguments or arguments[0] not in _CHECKING_OUT:
        return False
    return not (arguments[0] == "rebase" and any(word.startswith(_RUNS_COMMANDS) for word in arguments[1:]))


def _git_arguments(process: int) -> list[str]:
    """What ``git`` was given by the nearest ancestor that is git, past the shell that starts filters; else nothing."""
    for _ in range(3):
        words = _command_line(process)
        if not words:
            return []
        program = Path(words[0]).name
        if program == "git":
            return words[1:]
        if program.startswith("git-"):
            return [program.removeprefix("git-"), *words[1:]]
        if program.lstrip("-") not in _SHELLS:
            return []
        process = _parent(process)
    return []


def _command_line(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return _ps(process, "command").split()


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return int(_ps(process, "ppid") or 0)


def _ps(process: int, column: str) -> str:
    """One column of ps: for systems without /proc."""
    done = subprocess.run(["ps", "-o", f"{column}=", "-p", str(process)], capture_output=True, text=True)
    return done.stdout.strip()
