"""A bare repository for the moment, in which Git talks to a remote with the person's own configuration.

It is not the person's repository that talks, since a fetch leaves things there: ``--depth`` its ``shallow`` file,
``--filter`` makes it a partial clone, a remote's refspecs move refs. Here all of that goes with the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, scrubbed_environment
from git_theta.vcs.remote_settings import REMOTE, export_settings, find_remote_settings

_IN_HERE = (
    ("core.hooksPath", os.devnull),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("push.pushOption", ""),  # the person's are for their own push: to open a merge request, say
)


class PushAnswer(NamedTuple):
    """What became of a ref that was pushed.

    Attributes:
        state: ``taken``; ``outrun``: somebody else moved the ref first; ``refused`` by the host.
        reason: the host's words.
    """

    state: Literal["taken", "outrun", "refused"]
    reason: str = ""


class ScratchRepository:
    """An open one; made by :func:`open_scratch_repository`.

    Attributes:
        env: the environment in which git works in it.
    """

    def __init__(self, env: Mapping[str, str], top: Path) -> None:
        self.env = env
        self._top = top  # a remote's path may be relative to it

    def git(self, *args: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGS`` prints. Raises GitError with git's words."""
        return git(*args, cwd=self._top, env=self.env, stdin=stdin)

    def fetch(self, *refspecs: str, only_tips: bool = False) -> None:
        """Fetch refs of the remote; those in here that it has no more are gone then.

        ``only_tips``: their last commits and trees alone, where the host can do that.
        """
        less = ("--depth=1", "--filter=blob:none") if only_tips else ()
        self.git(
            "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--no-auto-maintenance", *less, REMOTE, *refspecs,
        )  # fmt: skip

    def list_remote_refs(self, *patterns: str) -> list[str]:
        """The refs of the remote that match any of these patterns."""
        lines = self.git("ls-remote", "--refs", "--quiet", REMOTE, *patterns).decode(errors="surrogateescape")
        return [line.partition("\t")[2] for line in lines.splitlines()]

    def push(self, oid: str, ref: str, expected: str) -> PushAnswer:
        """Have the remote's ref point at a commit, or delete it ("").

        ``expected``: where it must point until then, "" nowhere. Raises GitError where the remote cannot be reached.
        """
        done = subprocess.run(
            [
                "git", "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
                f"--force-with-lease={ref}:{expected}", REMOTE, f"{oid}:{ref}",
            ],
            cwd=self._top, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        words = done.stderr.decode(errors="replace").strip()
        answer = next((line for line in done.stdout.decode(errors="replace").splitlines() if line[:2] == "!\t"), "")
        if answer:
            return _read_answer(answer, words)
        if done.returncode:
            raise GitError(f"git push failed: {words}")
        return PushAnswer("taken")


@contextmanager
def open_scratch_repository(folder: Path, repository: Repository, remote: str, url: str) -> Iterator[ScratchRepository]:
    """An empty bare repository of our hash, which has one remote; it is gone after the block.

    Args:
        folder: where it is made: a folder of temporary files.
        repository: the person's.
        remote: what that calls the remote; its URL where it has no name.
        url: where the remote is, as Git would take it at last.
    """
    top = repository.worktree or repository.git_dir
    place = folder / f"{os.getpid()}-{os.urandom(8).hex()}"
    algorithm = git("rev-parse", "--show-object-format", cwd=top).decode().strip()
    env = scrubbed_environment() | {"GIT_DIR": os.fspath(place)}
    try:
        git("init", "--quiet", "--bare", "--template=", f"--object-format={algorithm}", cwd=top, env=env)
        settings = (*find_remote_settings(remote, url, top, env), *_IN_HERE)
        yield ScratchRepository(env | export_settings(settings), top)
    finally:
        shutil.rmtree(place, ignore_errors=True)


_OUTRUN = re.compile(r"\block\b|failed to update ref|fetch first|stale info|already exists|but expected")
"""What hosts say when two pushers meet, some of them in the middle of it."""


def _read_answer(line: str, words: str) -> PushAnswer:
    """A line of ``git push --porcelain``: ``!``, the refspec, and ``[rejected] (why)``."""
    summary = line.split("\t")[-1]
    said = " ".join(one.removeprefix("remote:").strip() for one in words.splitlines() if one.startswith("remote:"))
    outrun = not summary.startswith("[remote ") or _OUTRUN.search(summary)
    return PushAnswer("outrun" if outrun else "refused", f"{summary} {said}".strip())
