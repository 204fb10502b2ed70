"""Questions to a waiting ``git cat-file``: how a name is spelled as one, and how the answer is read."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO

from git_theta.errors import GitError
from git_theta.vcs.git import git

_PATH_IN_NAME = re.compile(r"(?::[0-3])?[^:]*:(?P<path>.*)", re.DOTALL)
"""REVISION:PATH, :PATH and :STAGE:PATH."""
BLOB_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""In full, of either hash."""
MISSING = b" missing\n"
"""How `git cat-file` ends its answer for what it has not got, or cannot read."""


def read_exactly(output: IO[bytes], size: int, oid: str) -> bytes:
    """So many bytes of a blob. Raises GitError where Git ends before: it has found the blob to be damaged, say."""
    data = output.read(size)
    if len(data) < size:
        raise GitError(f"git cat-file ended within the blob {oid}", hint="git fsck says what is damaged.")
    return data


def spell_question(name: str, cwd: Path | None = None) -> str:
    """A name as a line for `git cat-file`; what names nothing for one that nothing has. An index of shards may say any.

    A newline would end the question, a NUL the name, and a path that leads out of the worktree the process.
    """
    if "\0" in name or not _is_encodable(name):
        return "-"
    found = _PATH_IN_NAME.match(name)
    is_relative = found is not None and found["path"].partition("/")[0] in (".", "..")
    return _resolve_id(name, cwd) if is_relative or "\n" in name else name


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _resolve_id(name: str, cwd: Path | None = None) -> str:
    """The id of an object, or what names none."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", name, cwd=cwd).decode().strip()
    except GitError:
        return "-"


def query_git(process: subprocess.Popen[bytes], line: str) -> bytes:
    """The first line of what a waiting `git cat-file` answers to a question. Raises GitError where it has ended."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError):  # it has ended, and has no answer
        process.stdin.write(os.fsencode(line) + b"\n")
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise GitError(f"git cat-file ended before it told of {line}", hint="git fsck says what is damaged.")
    return answer
