"""A bare repository of our own, for what goes to a remote and comes from it past the person's objects and refs.

Git reaches the remote from it as it does from the person's repository: with the same configuration of all scopes,
credentials, ssh command and proxies, and from the same folder. Our hooks and theirs do not run in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.credentials import NEVER_ASK
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import end_git, git, open_scratch, scrubbed_environment, split_nul

REMOTE = "git-theta-remote"
"""What the remote is called in a scratch repository. The person's own remotes are known there, too."""
_OWN_KEYS = ("proxy", "proxyauthmethod", "uploadpack", "receivepack", "vcs", "serveroption")
"""What ``remote.NAME.*`` says about how to get there."""
_CHUNK = 1 << 20
_LARGE = "1m"
"""Bytes of a blob from which on Git streams it, and looks for no similar ones."""
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.bigFileThreshold": _LARGE,
    "core.packedGitWindowSize": "16m",  # or the whole of a pack is mapped
    "core.packedGitLimit": "64m",
    "core.fsync": "none",  # nothing here outlives the process
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.window": "0",  # payloads are compressed: no two of them are alike
    "fetch.unpackLimit": "1",  # no loose objects, which are compressed anew
    "transfer.unpackLimit": "1",
    "fastimport.unpackLimit": "0",
    "fetch.writeCommitGraph": "false",
    "push.followTags": "false",
    "push.negotiate": "false",
    "push.pushOption": "",  # the person's are for their own push: to open a merge request, say
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
}
_UNCOMPRESSED = {"core.compression": "0", "pack.compression": "0"}


class RemoteAccess(NamedTuple):
    """How Git gets to a remote.

    Attributes:
        url: where it is.
        top: the folder that relative paths start at: the top of the worktree, or the bare repository.
        ask: whether the person may be asked for passwords.
        algorithm: the hash of the repository, which is that of the remote: ``sha1`` or ``sha256``.
        settings: of the scratch repository: key and value.
    """

    url: str
    top: Path
    ask: bool
    algorithm: str
    settings: tuple[tuple[str, str], ...]


def read_remote_access(name: str, url: str, repository: Repository, *, ask: bool = True) -> RemoteAccess:
    """How Git gets to a remote from a repository. Raises GitError.

    Args:
        name: the remote's, as Git's configuration calls it; its URL where it has none.
        url: where it is; insteadOf is applied, and is not once more.
        repository: the one we are in.
        ask: whether the person may be asked for passwords.
    """
    algorithm = git("rev-parse", "--show-object-format").decode().strip()
    found = (item.partition("\n") for item in split_nul(git("config", "-z", "--list")))
    own = {f"remote.{name}.{key}": f"remote.{REMOTE}.{key}" for key in _OWN_KEYS}
    files = [repository.common_dir / "config", repository.git_dir / "config.worktree"]
    settings = [("include.path", os.fspath(file)) for file in files if file.is_file()]
    settings += [(own[key], value) for key, _, value in found if key in own]
    settings += [(f"remote.{REMOTE}.url", url), (f"url.{url}.insteadOf", url), (f"url.{url}.pushInsteadOf", url)]
    top = repository.worktree or repository.git_dir
    return RemoteAccess(url, top, ask, algorithm, (*settings, *_SETTINGS.items()))


class BlobRepository(AbstractContextManager["BlobRepository"]):
    """A bare repository, made at once and removed in the end. Whatever fails in it is GitError.

    Args:
        folder: where; its parent is there, and sweeps what killed processes left.
        access: how to get to the remote.
    """

    def __init__(self, folder: Path, access: RemoteAccess) -> None:
        self._folder = folder
        self._access = access
        self._reader: subprocess.Popen[bytes] | None = None
        self._blob = _no_blob()
        """The one that is being read."""
        form = f"--object-format={access.algorithm}"
        git("init", "--quiet", "--bare", "--template=", form, folder, env=scrubbed_environment())

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it."""
        self._blob.close()
        if self._reader:
            self._reader.kill()
            end_git(self._reader)
        shutil.rmtree(self._folder, ignore_errors=True)

    def git(self, *args: str, stdin: bytes = b"") -> bytes:
        """What ``git ARGS`` prints on stdout."""
        access = self._access
        return git(*args, cwd=access.top, env=self._environment({}), stdin=stdin, new_session=not access.ask)

    def fetch(self, refspecs: Iterable[str], depth: int | None = None) -> None:
        """Fetch refs, or objects by id, from the remote; of a ref no more than ``depth`` commits."""
        options = [] if depth is None else [f"--depth={depth}", "--prune"]
        self.git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options, REMOTE, "--stdin",
            stdin="".join(f"{refspec}\n" for refspec in refspecs).encode(),
        )  # fmt: skip

    def push(self, refspec: str) -> None:
        """Push to the remote."""
        self.git("push", "--quiet", "--no-verify", REMOTE, refspec)

    def list_remote_refs(self, pattern: str) -> dict[str, str]:
        """The refs of the remote that match: name to id."""
        lines = self.git("ls-remote", "--refs", REMOTE, pattern).decode(errors="replace").splitlines()
        return {name: oid for oid, _, name in (line.partition("\t") for line in lines)}

    def list_refs(self, prefix: str) -> dict[str, str]:
        """The refs that are here: name to id."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname)", prefix).decode().splitlines()
        return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}

    @contextmanager
    def import_objects(self, *, compress: bool) -> Iterator[int]:
        """The descriptor that takes commands for ``git fast-import``, which makes one pack of what it is given."""
        command = ["git", "fast-import", "--quiet", "--force", "--depth=0", "--done"]
        env = self._environment({} if compress else _UNCOMPRESSED)
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        with (
            open_scratch(in_memory=True) as words,
            subprocess.Popen(command, stdin=pipe, stdout=nowhere, stderr=words, env=env, bufsize=0) as process,
        ):
            assert process.stdin
            try:
                yield process.stdin.fileno()
                os.write(process.stdin.fileno(), b"done\n")
            except BrokenPipeError:  # it says why below
                pass
            except BaseException:
                process.kill()
                raise
            process.stdin.close()
            if process.wait():
                words.seek(0)
                raise GitError(f"git fast-import failed: {words.read().decode(errors='replace').strip()}")

    def read_blob(self, name: str) -> Iterator[bytes]:
        """The bytes of a blob that is here, in chunks, until the next one is asked for."""
        self._blob.close()
        self._blob = self._read_blob(name)
        return self._blob

    def _read_blob(self, name: str) -> Generator[bytes, None, None]:
        reader = self._start_reader()
        assert reader.stdin and reader.stdout
        reader.stdin.write(f"{name}\n".encode())
        reader.stdin.flush()
        words = reader.stdout.readline().split()
        if words[1:2] != [b"blob"]:
            raise GitError(f"Git has no blob {name}")
        left = int(words[2])
        try:
            while left:
                chunk = _read_some(reader.stdout, left)
                left -= len(chunk)
                yield chunk
        finally:  # whoever has read enough of it asks for another one
            while left:
                left -= len(_read_some(reader.stdout, left))
            reader.stdout.read(1)

    def _start_reader(self) -> subprocess.Popen[bytes]:
        if self._reader is None:
            command = ["git", "cat-file", "--batch"]
            env = self._environment({})
            self._reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        return self._reader

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Ours, with the settings as the last of those that ``git -c`` and the environment bring."""
        # Those are about how to get to the remote, too: what was scrubbed of them comes back.
        env = {key: value for key, value in os.environ.items() if key.startswith("GIT_CONFIG_")}
        first = int(env.get("GIT_CONFIG_COUNT") or 0)
        settings = (*self._access.settings, *more.items())
        for at, (key, value) in enumerate(settings, first):
            env |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
        env |= {"GIT_CONFIG_COUNT": str(first + len(settings)), "GIT_DIR": os.fspath(self._folder)}
        return scrubbed_environment() | ({} if self._access.ask else NEVER_ASK) | env


def _no_blob() -> Generator[bytes, None, None]:
    yield from ()


def _read_some(stream: IO[bytes], left: int) -> bytes:
    chunk = stream.read(min(left, _CHUNK))
    if not chunk:
        raise GitError("git cat-file ended in the middle of a blob")
    return chunk
