"""Objects as files: ``objects/aa/bb/<oid>``, the layout that git-lfs programs understand.

Writing is temporary file, fsync, read-only, rename; ``sync`` then makes the renames durable by fsyncing the directories
they went into. A reader therefore never sees a partial object, and a manifest written after ``sync`` never names one
that a power failure can take back (L5). Objects are verified by their readers, against the tensor's own hash.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from git_theta.errors import CorruptObject, MissingObject, StoreError
from git_theta.store.base import Buffer, Store, StoredObject, is_oid, require_oid
from git_theta.store.leftovers import sweep_temporaries


class LocalStore(Store):
    """Objects under ``root/objects``; reads also look into the alternates, other stores' roots, which it never writes.

    Thread-safe.
    """

    name = "local"

    def __init__(self, root: Path, alternates: Iterable[Path] = ()) -> None:
        self.root = root
        self._roots = (root, *alternates)
        self._unsynced: set[Path] = set()
        self._lock = threading.Lock()
        self._swept = False

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        digest = hashlib.sha256()
        size = 0
        with self._open_temporary() as (temporary, descriptor):
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                _write_chunk(descriptor, chunk)
            oid = digest.hexdigest()
            if not self._has_whole(oid, size):
                os.fsync(descriptor)
                os.fchmod(descriptor, 0o444)
                self._move_into_place(temporary, oid)
        return StoredObject(oid, size)

    def adopt(self, file: Path, oid: str) -> None:
        """Take over ``file``, which another store calls ``oid``: by hard link where that works, else by copy.

        Raises CorruptObject, and keeps nothing, when the file is not that object.
        """
        if self._has_whole(oid, file.stat().st_size):
            return
        if _hash_file(file) != oid:
            raise CorruptObject(f"object {oid} is damaged in {file}", hint="Repair it there: git theta fsck")
        try:
            temporary = self._temporary_path()
            os.link(file, temporary, follow_symlinks=False)
            self._move_into_place(temporary, oid)
        except OSError:  # another file system, one without hard links, or somebody else's file
            with open(file, "rb") as stream:  # noqa: PTH123
                self.put(iter(lambda: stream.read(1 << 20), b""))

    def get(self, oid: str) -> BinaryIO:
        file = self.find(oid)
        if file is None:
            raise MissingObject(
                f"object {oid} is missing", hint="Fetch it from where its commit came from: git theta checkout"
            )
        return open(file, "rb", buffering=0)  # noqa: PTH123

    def size(self, oid: str) -> int | None:
        file = self.find(oid)
        return None if file is None else file.stat().st_size

    def find(self, oid: str) -> Path | None:
        """The object's file, here or in an alternate; None when it is in neither."""
        require_oid(oid)
        return next((path for root in self._roots if (path := _object_path(root, oid)).is_file()), None)

    def sync(self) -> None:
        with self._lock:
            folders, self._unsynced = self._unsynced, set()
        try:
            for folder in sorted(folders):
                _fsync_directory(folder)
        except OSError as error:
            with self._lock:
                self._unsynced |= folders
            raise _as_store_error(error, self.root) from error

    def set_aside(self, oid: str) -> None:
        """Where something stands in the object's place that is not the object, move it to ``damaged``."""
        place = _object_path(self.root, require_oid(oid))
        if place.is_file() and _hash_file(place) == oid:
            return
        if os.path.lexists(place):
            aside = self.root / "damaged" / f"{oid}-{os.urandom(4).hex()}"
            self._make_folder(aside.parent)
            place.rename(aside)

    def oids(self) -> Iterator[str]:
        return (path.name for path in self.root.glob("objects/??/??/*") if is_oid(path.name) and path.is_file())

    def _has_whole(self, oid: str, size: int | None = None) -> bool:
        """Whether the object is here, whole as far as its ``size`` tells; one that was cut off is replaced.

        Its directories are then synced as if we had put it: the process that did may have been killed before its sync.
        """
        place = _object_path(self.root, require_oid(oid))
        present = place.is_file() and size in (None, place.stat().st_size)
        if present:
            self._note_unsynced(place)
        return present

    def _move_into_place(self, temporary: Path, oid: str) -> None:
        place = _object_path(self.root, require_oid(oid))
        self._make_folder(place.parent)
        if place.is_dir():
            self.set_aside(oid)
        temporary.rename(place)
        self._note_unsynced(place)

    def _note_unsynced(self, place: Path) -> None:
        folders = (place.parent, place.parent.parent, place.parent.parent.parent)
        with self._lock:
            self._unsynced.update(folders)

    @contextlib.contextmanager
    def _open_temporary(self) -> Iterator[tuple[Path, int]]:
        """A temporary file of our own, gone afterwards unless it was renamed."""
        descriptor = -1
        try:
            temporary = self._temporary_path()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            yield temporary, descriptor
        except OSError as error:
            raise _as_store_error(error, self.root) from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _temporary_path(self) -> Path:
        """A fresh path under ``tmp``; the first one also clears away what killed processes left there."""
        folder = self.root / "tmp"
        with self._lock:  # until the folder is there, for every thread
            if not self._swept:
                self._make_folder(folder)
                sweep_temporaries(folder)
                self._swept = True
        return folder / f"{os.getpid()}-{os.urandom(8).hex()}"

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of ours, and those above it; in a shared repository others must be able to write there.

        What core.sharedRepository asks for, Git itself has made visible on its own ``objects``, beside our root.
        """
        if folder.is_dir():
            return
        if folder == self.root:
            folder.parent.mkdir(parents=True, exist_ok=True)
        else:
            self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        beside = self.root.parent / "objects"
        mode = stat.S_IMODE(beside.stat().st_mode) if beside.is_dir() else 0
        if mode & stat.S_IWGRP:
            with contextlib.suppress(PermissionError):  # another member made it in this moment
                folder.chmod(mode)


@lru_cache(1 << 12)  # thousands of parts may lie in one object
def _object_path(root: Path, oid: str) -> Path:
    return root / "objects" / oid[:2] / oid[2:4] / oid


def _hash_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_chunk(descriptor: int, chunk: Buffer) -> None:
    view = memoryview(chunk).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def _fsync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_store_error(error: OSError, root: Path) -> StoreError:
    hints = {
        errno.ENOSPC: "Free some space and repeat the command; nothing was half-stored.",
        errno.EDQUOT: "The quota is used up: free some space and repeat the command.",
        errno.EROFS: "The file system is read-only.",
        errno.EACCES: "Check who owns the directory, and its permissions.",
    }
    return StoreError(f"cannot write to the store {root}: {error.strerror}", hint=hints.get(error.errno or 0, ""))
