"""Run git, and read what it answers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from git_theta.errors import GitError

# In a hook or filter Git exports these to say which repository, index and objects it is working on. Our calls about
# *this* repository must inherit them; a call about another one must not, or it would land in this one.
_REPOSITORY_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH",
)  # fmt: skip


def scrubbed_environment() -> dict[str, str]:
    """The environment for git calls about another repository than the one we were started for."""
    return {key: value for key, value in os.environ.items() if key not in _REPOSITORY_VARIABLES}


def git(
    *args: str | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> bytes:
    """What ``git ARGS`` prints on stdout.

    Raises GitError with git's own words when it exits non-zero.
    """
    settings = [word for key, value in (config or {}).items() for word in ("-c", f"{key}={value}")]
    done = subprocess.run(["git", *settings, *args], cwd=cwd, input=stdin, env=env, capture_output=True)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise GitError(f"git {args[0]} failed: {words}" if words else f"git {args[0]} exited {done.returncode}")
    return done.stdout


def git_succeeds(*args: str | Path, cwd: Path | None = None) -> bool:
    """Whether ``git ARGS`` exits 0."""
    return subprocess.run(["git", *args], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def literal_pathspec(path: str) -> str:
    """The pathspec that matches this path (from the top) alone."""
    return f":(top,literal){path}"


def split_nul(output: bytes) -> list[str]:
    """The items of a ``-z`` listing; undecodable bytes survive as surrogates, as in ``os.fsdecode``."""
    return [os.fsdecode(item) for item in output.split(b"\0")[:-1]]


def read_blobs(names: Iterable[str], *, cwd: Path | None = None) -> Iterator[tuple[str, bytes | None]]:
    """(name, content) of each object name or ``rev:path`` in turn; None for what is not there or is no blob.

    One ``git cat-file --batch`` serves them all. Names must not hold newlines (see :func:`blob`).
    """
    with subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        for name in names:
            process.stdin.write(os.fsencode(name) + b"\n")
            process.stdin.flush()
            words = process.stdout.readline().split()
            if len(words) != 3 or not words[2].isdigit():
                yield name, None
                continue
            content = process.stdout.read(int(words[2]))
            process.stdout.read(1)
            yield name, content if words[1] == b"blob" else None
        process.stdin.close()


def read_blob(name: str, *, cwd: Path | None = None) -> bytes | None:
    """The blob called ``name`` (an id or ``rev:path``, newlines allowed), or None."""
    done = subprocess.run(["git", "cat-file", "blob", name], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout if done.returncode == 0 else None
