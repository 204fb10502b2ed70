"""A bare repository for the moment, in which Git talks to a remote with the person's own configuration.

It is not the person's repository that talks, since a fetch leaves things there: ``--depth`` its ``shallow`` file,
``--filter`` makes it a partial clone, a remote's refspecs move refs. Here all of that goes with the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple, Self

from git_theta.errors import GitError
from git_theta.vcs.credentials import NEVER_ASK
from git_theta.vcs.git import GitWait, describe_failure, git, open_scratch, scrubbed_environment
from git_theta.vcs.remote_settings import REMOTE, RemoteAccess, export_settings, find_remote_settings

_IN_HERE = {
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "push.pushOption": "",  # the person's are for their own push: to open a merge request, say
}
_NO_SETTINGS: Mapping[str, str] = {}
_PROGRESS = re.compile(r"(remote: )?[A-Z][a-z]+( [a-z]+)*: +[0-9]|(remote: )?Total [0-9]|Delta compression")


class PushAnswer(NamedTuple):
    """What became of a ref that was pushed.

    Attributes:
        state: ``taken``; ``outrun``: somebody else moved the ref first; ``refused`` by the host.
        reason: the host's words.
    """

    state: Literal["taken", "outrun", "refused"]
    reason: str = ""


class ScratchRepository:
    """An empty one of the person's hash, which has one remote; made at once, and removed in the end.

    Whatever fails in it is GitError.

    Args:
        folder: where it is made: a folder of temporary files, which is there.
        access: how Git gets to the remote.
        wait: waits for a git that talks to the remote.
        settings: more of them, which hold in here.

    Attributes:
        env: the environment in which git works in it.
        access: as given.
    """

    def __init__(
        self,
        folder: Path,
        access: RemoteAccess,
        wait: GitWait,
        settings: Mapping[str, str] = _NO_SETTINGS,
    ) -> None:
        self._wait = wait
        self._is_stopped = False
        self._place = folder / f"{os.getpid()}-{os.urandom(8).hex()}"
        self.access = access
        asking = {} if access.ask else NEVER_ASK
        self.env: Mapping[str, str] = scrubbed_environment() | asking | {"GIT_DIR": os.fspath(self._place)}
        try:
            self.git("init", "--quiet", "--bare", "--template=", f"--object-format={access.algorithm}")
            reaching = find_remote_settings(access, self.env)
            self.env = {**self.env, **export_settings((*reaching, *_IN_HERE.items(), *settings.items()))}
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def let_ask(self) -> None:
        """From here on the person may be asked for passwords."""
        self.access = self.access._replace(ask=True)
        theirs = {name: os.environ[name] for name in NEVER_ASK if name in os.environ}
        self.env = {name: value for name, value in self.env.items() if name not in NEVER_ASK} | theirs

    def stop(self) -> None:
        """Have what talks to the remote end soon, with GitError for the thread that waits for it."""
        self._is_stopped = True

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self._place, ignore_errors=True)

    def _measure_life(self, words: IO[bytes]) -> tuple[int, int]:
        """What changes while either side gives signs of life. Raises GitError where nobody waits for any."""
        if self._is_stopped:
            raise GitError("Git was stopped while it talked to the remote")
        return self._measure_files(), os.fstat(words.fileno()).st_size

    def _measure_files(self) -> int:
        """Bytes of its files, which grow while anything arrives."""
        total = 0
        for folder, _, names in os.walk(self._place):
            for name in names:
                with suppress(FileNotFoundError):
                    total += Path(folder, name).stat().st_size
        return total

    def git(self, *args: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGS`` prints."""
        return git(*args, cwd=self.access.top, env=self.env, stdin=stdin, new_session=not self.access.ask)

    def fetch(self, refspecs: Iterable[str], *, depth: int | None = None, blobs: bool = True) -> None:
        """Fetch refs, or objects by id, from the remote; refs in here that it has no more are gone then.

        Args:
            refspecs: what.
            depth: of a ref no more than so many commits.
            blobs: whether blobs come along, where the host can leave them out.
        """
        less = [] if depth is None else [f"--depth={depth}"]
        less += [] if blobs else ["--filter=blob:none"]
        self._require_answer(
            "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--no-auto-maintenance", *less, REMOTE, "--stdin", stdin="".join(f"{one}\n" for one in refspecs).encode(),
        )  # fmt: skip

    def list_commits(self) -> dict[str, str]:
        """The refs that are here and name a commit: name to its id."""
        form = "--format=%(objecttype) %(objectname) %(refname)"
        words = (line.split(" ", 2) for line in self.git("for-each-ref", form).decode().splitlines())
        return {name: oid for kind, oid, name in words if kind == "commit"}

    def list_remote_refs(self, *patterns: str) -> dict[str, str]:
        """The refs of the remote that match any of these patterns: name to id."""
        lines = self._require_answer("ls-remote", "--refs", "--quiet", REMOTE, *patterns)
        found = (line.partition("\t") for line in lines.decode(errors="surrogateescape").splitlines())
        return {name: oid for oid, _, name in found}

    def push(self, oid: str, ref: str, expected: str) -> PushAnswer:
        """Have the remote's ref point at a commit, or delete it ("").

        ``expected``: where it must point until then, "" nowhere. Raises GitError where the remote cannot be reached.
        """
        answer = self._ask_remote(
            "push", "--porcelain", "--progress", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
            f"--force-with-lease={ref}:{expected}", REMOTE, f"{oid}:{ref}",
        )  # fmt: skip
        refusal = next((line for line in answer.output.decode(errors="replace").splitlines() if line[:2] == "!\t"), "")
        if refusal:
            return _read_refusal(refusal, answer.words)
        answer.require_success("push")
        return PushAnswer("taken")

    def _require_answer(self, *args: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGS``, which talks to the remote, prints."""
        answer = self._ask_remote(*args, stdin=stdin)
        answer.require_success(args[0])
        return answer.output

    def _ask_remote(self, *args: str, stdin: bytes = b"") -> _GitAnswer:
        """Run ``git ARGS``, which talks to the remote, and wait for it as we were told.

        Every packet that comes is noted in a file here, without its bytes: of a host that works for long on what it
        got, these are all that is seen.
        """
        with (
            open_scratch(in_memory=True) as given,
            open_scratch(in_memory=True) as output,
            open_scratch(in_memory=True) as words,  # of a full disk, too
        ):
            given.write(stdin)
            given.seek(0)
            process = subprocess.Popen(
                ["git", *args],
                cwd=self.access.top,
                env={**self.env, "GIT_TRACE_PACKET": os.fspath(self._place / "packets")},
                stdin=given,
                stdout=output,
                stderr=words,
                start_new_session=not self.access.ask,
            )
            self._wait(process, lambda: self._measure_life(words))
            output.seek(0)
            words.seek(0)
            return _GitAnswer(process.returncode, output.read(), _drop_progress(words.read().decode(errors="replace")))


class _GitAnswer(NamedTuple):
    """How a git ended, what it printed, and what it said beside that."""

    status: int
    output: bytes
    words: str

    def require_success(self, command: str) -> None:
        if self.status:
            raise describe_failure(command, self.status, self.words)


def _drop_progress(words: str) -> str:
    return "\n".join(line for line in re.split(r"[\r\n]+", words) if line.strip() and not _PROGRESS.match(line))


_OUTRUN = re.compile(r"\block\b|failed to update ref|fetch first|stale info|already exists|but expected")
"""What hosts say when two pushers meet, some of them in the middle of it."""


def _read_refusal(line: str, words: str) -> PushAnswer:
    """A line of ``git push --porcelain``: ``!``, the refspec, and ``[rejected] (why)``."""
    summary = line.split("\t")[-1]
    said = " ".join(one.removeprefix("remote:").strip() for one in words.splitlines() if one.startswith("remote:"))
    outrun = not summary.startswith("[remote ") or _OUTRUN.search(summary)
    return PushAnswer("outrun" if outrun else "refused", f"{summary} {said}".strip())
