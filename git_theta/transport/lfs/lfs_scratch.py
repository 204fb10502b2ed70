"""A scratch repository in which git-lfs moves objects: nothing of it reaches the person's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from git_theta.store.base import Store, read_chunks, require_oid, verify_chunks
from git_theta.store.files import as_store_error, make_folder
from git_theta.transport.lfs.endpoint import Endpoint
from git_theta.transport.lfs.partial_downloads import find_incomplete, lock_scratch
from git_theta.vcs.credentials import HELPER
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git
from git_theta.vcs.pointer_tree import encode_pointers
from git_theta.vcs.scratch_git_dir import Line, make_git_dir, scratch_environment

POINTERS = "refs/heads/pointers"
_MODE = 0o444
_OVERLONG = 64 << 20
"""Bytes too many at which an object is not awaited; git-lfs itself says so of fewer when they end."""


class LfsScratch:
    """A Git directory with git-lfs's own objects beside it.

    Attributes:
        git_dir: where it is.
        remote: the remote's name in it.
        lock: a descriptor, which programs that work here inherit: it says that somebody does.
    """

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self.lock = -1
        self.remote = f"theta-{git_dir.name}"

    @property
    def storage(self) -> Path:
        """What git-lfs keeps: objects, and what is still arriving."""
        return self.git_dir / "lfs"

    def place_of(self, oid: str) -> Path:
        """Where git-lfs has an object."""
        return self.storage / "objects" / oid[:2] / oid[2:4] / require_oid(oid)

    def offer(self, oid: str, store: Store) -> None:
        """Give git-lfs an object of a store, of which every byte is hashed before (L7).

        Raises MissingObject, CorruptObject, TransportError where it cannot be read, StoreError where there is no room.
        """
        try:
            self._offer(oid, store)
        except OSError as error:
            raise as_store_error(error, self.git_dir) from error

    def _offer(self, oid: str, store: Store) -> None:
        place = self.place_of(oid)
        place.parent.mkdir(parents=True, exist_ok=True)
        with store.get(oid) as stream:
            chunks = verify_chunks(read_chunks(stream, oid), oid)
            file = store.find(oid)
            if file is None:
                _write(place, chunks)
                return
            for _ in chunks:
                pass
        place.symlink_to(file.absolute())  # to other file systems too, and nobody's permissions stand in the way

    def find_overlong(self, objects: Mapping[str, int]) -> str | None:
        """One of the objects (oid to size) of which far more bytes are arriving than it has; None where none is."""
        arriving = find_incomplete(self.storage).items()
        return next((oid for oid, (_, size) in arriving if size > objects.get(oid, size) + _OVERLONG), None)

    def withdraw(self, oids: Iterable[str]) -> None:
        """Take objects out again."""
        for oid in oids:
            self.place_of(oid).unlink(missing_ok=True)

    def seal(self, oid: str) -> Path:
        """The file of an object that git-lfs has finished, which nobody may write to from now on: it can be linked."""
        place = self.place_of(oid)
        place.chmod(_MODE)
        return place

    def write_pointers(self, objects: Mapping[str, int]) -> None:
        """Make a commit, POINTERS, with a Git LFS pointer for each of the objects (oid to size), and of no others."""
        for oid in objects:
            require_oid(oid)
        head = f"commit {POINTERS}\ncommitter git-theta <> 0 +0000\ndata 0\n".encode()
        commands = b"".join((head, *encode_pointers(objects)))
        env = scratch_environment(self.git_dir, ask=False)
        git("fast-import", "--quiet", "--force", stdin=commands, env=env, cwd=self.git_dir)

    def touch(self) -> None:
        """Show those who sweep that somebody is here."""
        os.utime(self.git_dir)


@contextmanager
def open_lfs_scratch(repository: Repository, endpoint: Endpoint, settings: Mapping[str, str]) -> Iterator[LfsScratch]:
    """A scratch repository with one remote, which is the endpoint; it is gone afterwards.

    Raises StoreError where it cannot be written.

    Args:
        repository: the person's, whose configuration holds there.
        endpoint: where git-lfs goes.
        settings: what the person configured about where objects go.
    """
    root = repository.theta_dir
    scratch = LfsScratch(root / "tmp" / f"{os.getpid()}-{os.urandom(8).hex()}")
    try:
        try:
            make_folder(root / "tmp", root)
            make_git_dir(scratch.git_dir, repository, list(_configure(scratch, endpoint, settings)))
        except OSError as error:
            raise as_store_error(error, root) from error
        with lock_scratch(scratch.git_dir) as scratch.lock:
            yield scratch
    finally:
        shutil.rmtree(scratch.git_dir, ignore_errors=True)


def _configure(scratch: LfsScratch, endpoint: Endpoint, settings: Mapping[str, str]) -> Iterator[Line]:
    yield Line("remote", scratch.remote, "url", endpoint.source)
    # Over ssh git-lfs derives the endpoint itself from the remote, and asks the host.
    source = endpoint.source if endpoint.ssh else endpoint.url
    if not (endpoint.ssh and endpoint.derived and not settings.keys() & {"lfs.url", "lfs.pushurl"}):
        yield Line("lfs", "", "url", source)
        yield Line("lfs", "", "pushurl", source)
    for url in {source, endpoint.source}:  # insteadOf was applied: the longest match, itself, leaves it as it is
        yield Line("url", url, "insteadOf", url)
        yield Line("url", url, "pushInsteadOf", url)
    if not endpoint.ssh:
        parts = urlsplit(endpoint.url)
        yield Line("credential", f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", "helper", HELPER)


def _write(place: Path, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
    try:
        with place.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
