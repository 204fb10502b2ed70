"""A bare repository for the moment, in which Git talks to a remote with the person's own configuration.

It is not the person's repository that talks, since a fetch leaves things there: ``--depth`` its ``shallow`` file,
``--filter`` makes it a partial clone, a remote's refspecs move refs. Here all of that goes with the folder.

How a remote is reached must be as in the person's repository all the same: credentials, ssh, proxies, headers,
certificates. The files of the system and the user are read here as there; what Git reads there and not here (the
repository's own file, its worktree's, ``git -c``, what they include on a condition) is handed over in the environment,
in its order, so that nothing counts twice: a second ``http.extraHeader`` would be sent twice. Only what describes the
repository itself stays behind. The URL is the one that Git settled on: it is no further subject to ``insteadOf``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, scrubbed_environment, split_nul

_REMOTE = "git-theta"
"""What the remote is called in here."""
_STAYS = re.compile(r"(core|extensions|include|includeif|url|remote|branch|fetch|receive|gc|maintenance|alias)\.")
_GOES_ALONG = frozenset(("core.sshcommand", "core.gitproxy", "core.askpass"))
_PLACES = frozenset(("url", "pushurl", "fetch", "push", "mirror", "promisor", "partialclonefilter", "tagopt"))
"""Keys of a remote that say what it is in the person's repository, not how it is reached."""
_IN_HERE = (
    ("core.hooksPath", os.devnull),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("push.pushOption", ""),  # the person's are for their own push: to open a merge request, say
)

_Setting = tuple[str, str]


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
            "--no-auto-maintenance", *less, _REMOTE, *refspecs,
        )  # fmt: skip

    def has_remote_refs(self, *names: str) -> bool:
        """Whether the remote has any of these refs."""
        return bool(self.git("ls-remote", "--refs", "--quiet", _REMOTE, *names))

    def push(self, oid: str, ref: str, expected: str) -> PushAnswer:
        """Have the remote's ref point at a commit, or delete it ("").

        ``expected``: where it must point until then, "" nowhere. Raises GitError where the remote cannot be reached.
        """
        done = subprocess.run(
            [
                "git", "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
                f"--force-with-lease={ref}:{expected}", _REMOTE, f"{oid}:{ref}",
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
        yield ScratchRepository(env | _export_settings(_find_settings(remote, url, top, env)), top)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _find_settings(remote: str, url: str, top: Path, env: Mapping[str, str]) -> Iterator[_Setting]:
    """What the configuration in here lacks to reach the remote as the person's repository does."""
    theirs, in_here = _list_settings(top, None), set(_list_settings(top, env))
    for origin, key, value in theirs:
        if (origin, key, value) not in in_here and (not _STAYS.match(key) or key in _GOES_ALONG):
            yield key, value
        elif key.startswith(f"remote.{remote}."):
            what = key[len(f"remote.{remote}.") :]
            if what not in _PLACES:
                yield f"remote.{_REMOTE}.{what}", value
    yield f"remote.{_REMOTE}.url", url
    for key in ("insteadOf", "pushInsteadOf"):  # the longest match wins, which is the whole of it
        yield f"url.{url}.{key}", url
    yield from _IN_HERE


def _list_settings(top: Path, env: Mapping[str, str] | None) -> list[tuple[str, str, str]]:
    """Origin, key and value of all settings, in their order."""
    items = split_nul(git("config", "--list", "-z", "--show-origin", cwd=top, env=env))
    pairs = zip(items[::2], (item.partition("\n") for item in items[1::2]), strict=True)
    return [(origin, key, value if newline else "true") for origin, (key, newline, value) in pairs]


def _export_settings(settings: Iterable[_Setting]) -> dict[str, str]:
    """The variables by which Git is told of settings that stand in no file."""
    found = list(settings)
    variables = {"GIT_CONFIG_COUNT": str(len(found))}
    for number, (key, value) in enumerate(found):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


_OUTRUN = re.compile(
    r"\block\b|failed to update ref|fetch first|stale info|non-fast-forward|already exists|but expected"
)
"""What hosts say when two pushers meet, some of them in the middle of it."""


def _read_answer(line: str, words: str) -> PushAnswer:
    """A line of ``git push --porcelain``: ``!``, the refspec, and ``[rejected] (why)``."""
    summary = line.split("\t")[-1]
    said = " ".join(one.removeprefix("remote:").strip() for one in words.splitlines() if one.startswith("remote:"))
    outrun = not summary.startswith("[remote ") or _OUTRUN.search(summary)
    return PushAnswer("outrun" if outrun else "refused", f"{summary} {said}".strip())
