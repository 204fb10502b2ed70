"""git-lfs's pointers as they turn up in histories, and the objects that a repository has of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.operations.streams import FileSource, open_file_source
from git_theta.store.files import as_store_error, fsync_directory, write_chunk
from git_theta.tensors.arrays import Buffer
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git
from git_theta.vcs.pointer_tree import format_pointer

LONGEST_POINTER = 1024
"""Bytes of a pointer; git-lfs docs/spec.md."""
_VERSION = re.compile(rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\r?\n")
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})\r?$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]{1,18})\r?$", re.MULTILINE)
_EXTENSION = re.compile(rb"^ext-[0-9]", re.MULTILINE)
_MODE = 0o444


class LfsPointer(NamedTuple):
    """What a pointer says: SHA-256 of the file that it stands for, and its bytes."""

    oid: str
    size: int

    @property
    def text(self) -> bytes:
        """The pointer as git-lfs writes it."""
        return format_pointer(self.oid, self.size)


def read_lfs_pointer(data: bytes) -> LfsPointer | None:
    """The pointer that a blob is; None for any other, and for one that an extension of git-lfs has a hand in."""
    if len(data) > LONGEST_POINTER or not _VERSION.match(data) or _EXTENSION.search(data):
        return None
    oid, size = _OID.search(data), _SIZE.search(data)
    return LfsPointer(oid[1].decode(), int(size[1])) if oid and size else None


class LfsObjects:
    """The objects that git-lfs has in this repository (``lfs.storage``)."""

    def __init__(self, repository: Repository) -> None:
        self._root = _find_storage(repository) / "objects"

    def has(self, pointer: LfsPointer) -> bool:
        """Whether there is an object of that name and size."""
        with contextlib.suppress(OSError):
            return self._place_of(pointer.oid).stat().st_size == pointer.size
        return False

    def open_object(self, pointer: LfsPointer) -> FileSource | None:
        """The object, every byte of which was hashed; None where it is not here, or is not what its name says."""
        source = open_file_source(self._place_of(pointer.oid))
        if source is None:
            return None
        digest = hashlib.sha256()
        for block in source.prefix(source.size):
            digest.update(block)
        if source.size == pointer.size and digest.hexdigest() == pointer.oid:
            return source
        source.close()
        return None

    def put_object(self, pieces: Iterable[Buffer]) -> LfsPointer:
        """Keep a file, durable when this returns. Raises StoreError, and what ``pieces`` raises."""
        try:
            return self._put_object(pieces)
        except OSError as error:
            raise as_store_error(error, self._root) from error

    def _put_object(self, pieces: Iterable[Buffer]) -> LfsPointer:
        self._root.mkdir(parents=True, exist_ok=True)
        temporary = self._root / f".theta-{os.getpid()}-{os.urandom(6).hex()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            digest, size = hashlib.sha256(), 0
            for piece in pieces:
                write_chunk(descriptor, piece)
                digest.update(piece)
                size += memoryview(piece).nbytes
            os.fchmod(descriptor, _MODE)
            os.fsync(descriptor)
            place = self._place_of(digest.hexdigest())
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(place)
            fsync_directory(place.parent)
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
        return LfsPointer(digest.hexdigest(), size)

    def _place_of(self, oid: str) -> Path:
        return self._root / oid[:2] / oid[2:4] / oid


def _find_storage(repository: Repository) -> Path:
    """Where git-lfs keeps what it has: a relative path counts from the Git directory."""
    configured = ""
    with contextlib.suppress(GitError):  # not set
        configured = os.fsdecode(git("config", "--type=path", "--get", "lfs.storage")).rstrip("\n")
    return repository.common_dir / (configured or "lfs")
