"""A scratch repository for objects as blobs: they are streamed, and neither compressed anew nor compared."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from git_theta.errors import GitError
from git_theta.vcs.git import GitWait, end_git, open_scratch
from git_theta.vcs.remote_settings import REMOTE, RemoteAccess
from git_theta.vcs.scratch_repository import ScratchRepository

_CHUNK = 1 << 20
_LARGE = "1m"
"""Bytes of a blob from which on Git streams it, and looks for no similar ones."""
_SETTINGS = {
    "core.bigFileThreshold": _LARGE,
    "core.packedGitWindowSize": "16m",  # or the whole of a pack is mapped
    "core.packedGitLimit": "64m",
    "core.fsync": "none",  # nothing here outlives the process
    "pack.window": "0",  # payloads are compressed: no two of them are alike
    "fetch.unpackLimit": "1",  # no loose objects, which are compressed anew
    "transfer.unpackLimit": "1",
    "fastimport.unpackLimit": "0",
    "fetch.writeCommitGraph": "false",
    "push.followTags": "false",
    "push.negotiate": "false",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
}
_UNCOMPRESSED = ("-c", "core.compression=0", "-c", "pack.compression=0")


class BlobRepository(ScratchRepository):
    """A scratch repository that takes and gives large blobs.

    Args:
        folder: where it is made: a folder of temporary files, which is there.
        access: how Git gets to the remote.
        wait: waits for a git that talks to it.
    """

    def __init__(self, folder: Path, access: RemoteAccess, wait: GitWait) -> None:
        self._reader: subprocess.Popen[bytes] | None = None
        self._blob = _no_blob()
        """The one that is being read."""
        super().__init__(folder, access, wait, _SETTINGS)

    def close(self) -> None:
        self._blob.close()
        if self._reader:
            self._reader.kill()
            end_git(self._reader)
        super().close()

    def force_push(self, ref: str) -> None:
        """Have the remote's ref point where ours does."""
        answer = self._ask_remote("push", "--progress", "--no-verify", REMOTE, f"+{ref}:{ref}")
        answer.require_success("push")

    def list_refs(self, prefix: str) -> dict[str, str]:
        """The refs that are here: name to id."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname)", prefix).decode().splitlines()
        return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}

    @contextmanager
    def import_objects(self, *, compress: bool) -> Iterator[int]:
        """The descriptor that takes commands for ``git fast-import``, which makes one pack of what it is given."""
        command = [
            "git",
            *(() if compress else _UNCOMPRESSED),
            "fast-import",
            "--quiet",
            "--force",
            "--depth=0",
            "--done",
        ]
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        with (
            open_scratch(in_memory=True) as words,
            subprocess.Popen(command, stdin=pipe, stdout=nowhere, stderr=words, env=self.env, bufsize=0) as process,
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
        left = int(words[2]) if len(words) == 3 else -1  # "NAME missing"
        try:
            if words[1:2] != [b"blob"]:
                raise GitError(f"Git has no blob {name}")
            while left:
                chunk = _read_some(reader.stdout, left)
                left -= len(chunk)
                yield chunk
        finally:  # whoever has read enough of it, or got a tree, asks for another one
            while left > 0:
                left -= len(_read_some(reader.stdout, left))
            if not left:
                reader.stdout.read(1)

    def _start_reader(self) -> subprocess.Popen[bytes]:
        if self._reader is None:
            command = ["git", "cat-file", "--batch"]
            self._reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env)
        return self._reader


def _no_blob() -> Generator[bytes, None, None]:
    yield from ()


def _read_some(stream: IO[bytes], left: int) -> bytes:
    chunk = stream.read(min(left, _CHUNK))
    if not chunk:
        raise GitError("git cat-file ended in the middle of a blob")
    return chunk
