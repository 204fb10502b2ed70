"""git-lfs, the program: run in a scratch repository, watched, and ended when its host is silent."""

from __future__ import annotations

import errno
import math
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import IO

from git_theta.errors import TransportError
from git_theta.store.files import as_store_error
from git_theta.transport.lfs.lfs_scratch import LfsScratch
from git_theta.transport.patience import SilenceClock
from git_theta.transport.watched_program import watch_program
from git_theta.vcs.git import open_scratch
from git_theta.vcs.scratch_git_dir import scratch_environment
from git_theta.words import redact_logins, shorten_text

GIT_LFS_HINT = (
    "Install it: `apt install git-lfs`, `brew install git-lfs`, or https://git-lfs.com\n"
    "Without it, `git config theta.remote.NAME.transport git` puts objects into the repository itself."
)
_VERSION = re.compile(r"git-lfs/(\d+)\.(\d+)")
_READS_IDS = (3, 3)
"""The first release whose ``push --object-id`` reads ids from its standard input."""
_SETTINGS = {
    "lfs.locksverify": "false",  # of files, which objects are none of
    "lfs.allowincompletepush": "false",
    "lfs.fetchinclude": "",
    "lfs.fetchexclude": "",
    "lfs.fetchrecentalways": "false",
    # Its sign of life. GIT_LFS_PROGRESS is synced to the disk after every 32 KiB: 1 GB took 44 s instead of 2.
    "lfs.forceprogress": "true",
}
_LONGEST = 300
"""Letters of git-lfs's words that are shown."""


class GitLfs:
    """git-lfs in one scratch repository.

    Args:
        scratch: where it works.
        clock: tells, and gives up.
        extra: variables for it, and for what it starts.
        ask: whether the person may be asked for passwords.

    Attributes:
        failed: whether it failed the last time it ran.
        words: what it said then, all of it, without passwords. It succeeds at times when objects are refused.
    """

    def __init__(self, scratch: LfsScratch, clock: SilenceClock, extra: dict[str, str], *, ask: bool) -> None:
        self._scratch, self._clock, self._ask, self._extra = scratch, clock, ask, extra
        self._version = _find_version()
        self.failed, self.words = False, ""

    @property
    def summary(self) -> str:
        """Its words, in short."""
        return shorten_text(self.words or ("it failed without a word" if self.failed else ""), _LONGEST)

    def push(self, oids: Sequence[str]) -> None:
        """Send objects that the scratch repository offers."""
        by_input = self._version >= _READS_IDS
        arguments = ["push", "--object-id", self._scratch.remote, *(["--stdin"] if by_input else oids)]
        for _ in self._run(arguments, "\n".join([*oids, ""]) if by_input else ""):
            pass

    def fetch(self, ref: str) -> Iterator[None]:
        """Bring the objects of the pointers in a commit; it works on between the items, which come often."""
        return self._run(["fetch", self._scratch.remote, ref], "")

    def _run(self, arguments: Sequence[str], text: str) -> Iterator[None]:
        environment = scratch_environment(self._scratch.git_dir, ask=self._ask)
        # It begins anew with a host that is silent, after 30 s, again and again, which would look like life each time.
        longest = f"{math.ceil(self._clock.limit) + 1}"
        settings = {**_SETTINGS, "lfs.activitytimeout": longest, "lfs.storage": str(self._scratch.storage)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (
            open_scratch(in_memory=True) as stdin,
            open_scratch(in_memory=True) as progress,  # on a disk that it has filled it had no word for that
            open_scratch(in_memory=True) as words,
        ):
            stdin.write(text.encode())
            stdin.seek(0)
            process = subprocess.Popen(
                ["git", *options, "lfs", *arguments],
                cwd=self._scratch.git_dir,
                stdin=stdin,
                stdout=progress,
                stderr=words,
                env=environment | self._extra,
                pass_fds=(self._scratch.lock,),
                start_new_session=not self._ask,  # without a terminal, nobody can be asked there
            )
            yield from watch_program(process, self._clock, partial(self._measure_output, progress, words))
            self.failed, self.words = process.returncode != 0, _read_words(words)
        if self.failed:
            self._require_room()

    def _measure_output(self, *files: IO[bytes]) -> list[int]:
        """Bytes of what it has said, which is all that it shows of a transfer; and show others that we are here."""
        self._scratch.touch()
        return [os.fstat(file.fileno()).st_size for file in files]

    def _require_room(self) -> None:
        """Raise StoreError where it could not write to our disk, and said so."""
        place = re.escape(os.fspath(self._scratch.git_dir))
        for number in (errno.ENOSPC, errno.EDQUOT):
            if re.search(f"{place}[^;]*: {os.strerror(number)}", self.words, re.IGNORECASE):
                raise as_store_error(OSError(number, os.strerror(number)), self._scratch.git_dir)


@cache
def _find_version() -> tuple[int, int]:
    """The release of git-lfs. Raises TransportError where there is none."""
    done = subprocess.run(["git", "lfs", "version"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = _VERSION.search(done.stdout)
    if done.returncode or not found:
        raise TransportError("git-lfs, which moves objects to and from such a host, is not here", hint=GIT_LFS_HINT)
    return int(found[1]), int(found[2])


def _read_words(output: IO[bytes]) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").replace("\r", "\n").splitlines()]
    return redact_logins("; ".join(dict.fromkeys(filter(None, lines))))
