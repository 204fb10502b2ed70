"""Run git, and read what it answers.

A command works in the folder that its process is in. Who works in others (the Python API, several repositories and
threads in one process) says so with :func:`work_in_folder`: whatever is not told another ``cwd`` then runs there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from git_theta.errors import GitError

# In a hook or filter Git exports these to say which repository, index and objects it is working on, and what `git -c`
# configures for it. Our calls about
# *this* repository must inherit them; a call about another one must not, or it would land in this one.
_REPOSITORY_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
)  # fmt: skip


MERGED_HEAD = "GITHEAD_"
"""What variables begin with by which `git merge` tells what it runs of a head that it merges; the commit follows."""
AS_STORED = "--no-replace-objects"
"""Before a command: what has a replacement (`git replace`) is read as it is: that is what a push sends."""
NAMED_REPOSITORY = {"safe.bareRepository": "all"}
"""Settings for a command in the very folder of a repository that somebody named, where Git is told (``explicit``) to
take no folder that it happens to stand in for one. Whose it is counts as ever."""
LOSS_HINT = "What is damaged, or not there: git fsck"
_LOSS = re.compile(r"unable to read|could not read|not a tree object|is corrupt|bad object [0-9a-f]", re.IGNORECASE)
"""What Git says of objects that are damaged, or lost."""
_READ_SIZE = 1 << 16
GitWait = Callable[["subprocess.Popen[bytes]", Callable[[], object]], None]
"""Waits for a git that talks to others: a remote, a helper. It is given what changes while they give signs of life.
Where it raises, that git has ended."""
_FOLDER: ContextVar[Path | None] = ContextVar("the folder that git works in", default=None)


class GitFailed(GitError):
    """A command of Git's that exited with a ``status`` other than 0."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


def is_below_merge() -> bool:
    """Whether a `git merge` that has not made its commit yet runs us."""
    return any(name.startswith(MERGED_HEAD) for name in os.environ)


def current_folder() -> Path | None:
    """The folder that this thread works in; None for the one that the process is in."""
    return _FOLDER.get()


@contextmanager
def work_in_folder(folder: Path) -> Iterator[None]:
    """Have this thread work in another folder, as ``git -C`` does, while the ``with`` block runs.

    Threads that it starts have to be handed the context (``contextvars.copy_context``).

    Args:
        folder: an absolute path.
    """
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def scrubbed_environment() -> dict[str, str]:
    """The environment for git calls about another repository than the one we were started for."""
    return {key: value for key, value in os.environ.items() if key not in _REPOSITORY_VARIABLES}


def _question_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment, ours by default, for what is asked of Git.

    It translates nothing, since we look for words of its: unlike LC_ALL=C that leaves hooks their encoding.
    And `git config` tells what Git goes by: GIT_CONFIG names a file that it alone would read, in place of all others.
    """
    asked = {**(os.environ if env is None else env), "LANGUAGE": "C"}
    asked.pop("GIT_CONFIG", None)
    return asked


def spell_settings(config: Mapping[str, str]) -> list[str]:
    """Settings for one command, as they stand behind ``git``."""
    return [word for key, value in config.items() for word in ("-c", f"{key}={value}")]


def git(
    *args: str | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    show: bool = False,
    new_session: bool = False,
) -> bytes:
    """What ``git ARGS`` prints on stdout. In a new session it has no terminal on which somebody could be asked.

    Its words are in English, but with ``show`` in the person's language.

    Raises GitError with git's own words when it exits non-zero; with ``show``, the person has seen them.
    """
    done = subprocess.run(
        ["git", *spell_settings(config or {}), *args],
        cwd=cwd or current_folder(),
        input=stdin,
        env=env if show else _question_environment(env),
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        start_new_session=new_session,
    )
    if done.returncode:
        raise describe_failure(str(args[0]), done.returncode, (done.stderr or b"").decode(errors="replace"))
    return done.stdout


def describe_failure(command: str, status: int, words: str) -> GitFailed:
    """The error of a ``git COMMAND`` that exited non-zero, in its words, if it had any."""
    words = words.strip()
    said = f"failed: {words}" if words else f"exited {status}"
    return GitFailed(f"git {command} {said}", status, hint=LOSS_HINT if _LOSS.search(words) else "")


def ask_git(
    *args: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> bytes | None:
    """What ``git ARGS`` prints; None where it exits 1, by which many commands say no.

    Raises GitError where it exits otherwise, or tells of an object that it cannot read: it could not look.
    """
    try:
        return git(*args, cwd=cwd, env=env, config=config)
    except GitFailed as error:
        if error.status != 1 or error.hint == LOSS_HINT:
            raise
        return None


def git_succeeds(*args: str | Path, cwd: Path | None = None) -> bool:
    """Whether ``git ARGS`` exits 0."""
    where = cwd or current_folder()
    return subprocess.run(["git", *args], cwd=where, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def literal_pathspec(path: str) -> str:
    """The pathspec that matches this path (from the top) alone."""
    return f":(top,literal){path}"


def split_nul(output: bytes) -> list[str]:
    """The items of a ``-z`` listing; undecodable bytes survive as surrogates, as in ``os.fsdecode``."""
    return [os.fsdecode(item) for item in output.split(b"\0")[:-1]]


def read_fields(output: IO[bytes]) -> Iterator[str]:
    """The NUL-terminated texts of a stream, as they come; undecodable bytes survive as in ``split_nul``."""
    left = b""
    while piece := os.read(output.fileno(), _READ_SIZE):
        *whole, left = (left + piece).split(b"\0")
        yield from map(os.fsdecode, whole)


def open_scratch(*, in_memory: bool) -> IO[bytes]:
    """A file without a name. ``in_memory``: it stays small, and need not be on a disk."""
    if in_memory and hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("git-theta"), "w+b")
    import tempfile  # with what it imports, 5 ms

    return tempfile.TemporaryFile()


@contextmanager
def run_git(
    *args: str,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[IO[bytes]]:
    """The standard output of ``git ARGS``, as it comes.

    Raises GitError with Git's words, at the end, when it fails.
    """
    with (
        open_scratch(in_memory=True) as words,
        subprocess.Popen(
            ["git", *args],
            cwd=cwd or current_folder(),
            env=_question_environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=words,
        ) as process,
    ):
        assert process.stdout
        failed = None
        try:
            yield process.stdout
        except BaseException as error:  # nobody reads what it still has to say
            if not isinstance(error, GitError) or process.stdout.read(1):
                process.kill()
                raise
            failed = error  # Git has ended early: where it failed, it knows better why
        if status := process.wait():
            words.seek(0)
            command = next(word for word in args if not word.startswith("-") and "=" not in word)
            raise describe_failure(command, status, words.read().decode(errors="replace")) from failed
        if failed:
            raise failed


def start_git(*args: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """A ``git ARGS`` that answers questions on its standard input; to be ended with :func:`end_git`."""
    where = cwd or current_folder()
    return subprocess.Popen(["git", *args], cwd=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def end_git(process: subprocess.Popen[bytes]) -> None:
    """End a process of :func:`start_git`."""
    assert process.stdin and process.stdout
    process.stdout.close()
    with suppress(BrokenPipeError):  # it has ended before it took all of a question
        process.stdin.close()
    process.wait()
