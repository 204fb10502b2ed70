"""Objects as files: ``objects/aa/bb/<oid>``, the layout that git-lfs programs understand.

Writing is temporary file, fsync, read-only, rename; ``sync`` then makes the renames durable by fsyncing the directories
they went into. A reader therefore never sees a partial object, and a manifest written after ``sync`` never names one
that a power failure can take back (L5). Objects are verified by their readers, against the tensor's own hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Self

from git_theta.errors import MissingObject
from git_theta.store.base import (
    Buffer,
    Store,
    StoredObject,
    is_intact,
    is_oid,
    open_foreign,
    read_chunks,
    require_oid,
    verify_chunks,
)
from git_theta.store.files import as_store_error, clone_file, fsync_directory, lock_file, make_folder, write_chunk
from git_theta.store.leftovers import sweep_temporaries


class LocalStore(Store):
    """Objects under ``root/objects``. Thread-safe."""

    name = "local"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unsynced: set[Path] = set()
        self._lock = threading.Lock()
        self._swept = False

    @classmethod
    def open(cls, root: Path) -> Self:
        return cls(root)

    def put(self, chunks: Iterable[Buffer]) -> StoredObject:
        digest = hashlib.sha256()
        size = 0
        with self._open_temporary() as (temporary, descriptor):
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                write_chunk(descriptor, chunk)
            oid = digest.hexdigest()
            if not (self._has_whole(oid, size) and self.freshen(oid)):
                self._seal(temporary, descriptor, oid)
        return StoredObject(oid, size)

    def adopt(self, file: Path, oid: str) -> None:
        """Take over ``file``: as a clone where the file system has such, by hard link where that works and nobody can
        write to it, else by copy.
        """
        require_oid(oid)
        with open_foreign(file, oid) as stream:
            if self._has_whole(oid, os.fstat(stream.fileno()).st_size) and self.freshen(oid):
                return
            if self._clone(file, stream, oid):
                return
            for _ in verify_chunks(read_chunks(stream, oid), oid, file):
                pass
            if not self._link(file, stream, oid):
                stream.seek(0)
                self.put(verify_chunks(read_chunks(stream, oid), oid, file))

    def _clone(self, file: Path, stream: BinaryIO, oid: str) -> bool:
        """Make an object of what a file has, which is open as ``stream``, at no cost; whether that works here."""
        with self._open_temporary() as (temporary, descriptor):
            if not clone_file(stream.fileno(), descriptor):
                return False
            with temporary.open("rb") as clone:  # nobody writes to it, as somebody may to the file
                for _ in verify_chunks(read_chunks(clone, oid), oid, file):
                    pass
            self._seal(temporary, descriptor, oid)
        return True

    def _link(self, file: Path, stream: BinaryIO, oid: str) -> bool:
        """Make the verified file, which is open as ``stream``, an object of ours too; whether that works here."""
        there = os.fstat(stream.fileno())
        if there.st_mode & 0o222 or there.st_uid != os.geteuid():  # its owner may write to it, and change our object
            return False
        temporary = None
        try:
            temporary = self._temporary_path()
            os.fsync(stream.fileno())
            os.link(file, temporary, follow_symlinks=False)
            if not os.path.samestat(temporary.lstat(), os.fstat(stream.fileno())):
                return False
            os.utime(temporary, follow_symlinks=False)  # as old as the file, it would be collected before it is named
            self._move_into_place(temporary, oid)
        except OSError:  # another file system, one without hard links, or somebody else's file
            return False
        finally:
            if temporary:
                with contextlib.suppress(OSError):
                    temporary.unlink()
        return True

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
        place = _object_path(self.root, require_oid(oid))
        return place if place.is_file() else None

    def sync(self) -> None:
        with self._lock:
            folders, self._unsynced = self._unsynced, set()
        try:
            for folder in sorted(folders):
                fsync_directory(folder)
        except OSError as error:
            with self._lock:
                self._unsynced |= folders
            raise as_store_error(error, self.root) from error

    def set_aside(self, oid: str) -> None:
        """Where something stands in the object's place that is not the object, move it to ``damaged``."""
        place = _object_path(self.root, require_oid(oid))
        if os.path.lexists(place) and not (place.is_file() and is_intact(self, oid)):
            aside = self._scratch_folder().with_name("damaged") / f"{oid}-{os.urandom(4).hex()}"
            make_folder(aside.parent, self.root)
            place.rename(aside)

    def delete(self, oid: str) -> None:
        place = _object_path(self.root, require_oid(oid))
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise as_store_error(error, self.root) from error

    def freshen(self, oid: str) -> bool:
        with lock_file(_object_path(self.root, require_oid(oid)), alone=False) as descriptor:
            if descriptor is None:
                return False
            try:
                os.utime(descriptor)
            except OSError:  # somebody else's, or read-only
                return False
            return True

    def stored_at(self, oid: str) -> float | None:
        file = self.find(oid)
        return None if file is None else file.stat().st_mtime

    def delete_older(self, oid: str, moment: float) -> bool:
        with lock_file(_object_path(self.root, require_oid(oid)), alone=True) as descriptor:
            if descriptor is None or os.fstat(descriptor).st_mtime >= moment:
                return False
            self.delete(oid)
            return True

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

    def _seal(self, temporary: Path, descriptor: int, oid: str) -> None:
        """Make an object of a whole temporary file: on the disk, and read-only, before it has its name (L5)."""
        os.fsync(descriptor)
        os.fchmod(descriptor, 0o444)
        self._move_into_place(temporary, oid)

    def _move_into_place(self, temporary: Path, oid: str) -> None:
        place = _object_path(self.root, require_oid(oid))
        make_folder(place.parent, self.root)
        if place.is_dir():
            self.set_aside(oid)
        with lock_file(place, alone=False):  # or who deletes what was there would delete what is there now
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
            raise as_store_error(error, self.root) from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _temporary_path(self) -> Path:
        """A fresh path under ``tmp``; the first one also clears away what killed processes left there."""
        folder = self._scratch_folder()
        with self._lock:  # until the folder is there, for every thread
            if not self._swept:
                make_folder(folder, self.root)
                sweep_temporaries(folder)
                self._swept = True
        return folder / f"{os.getpid()}-{os.urandom(8).hex()}"

    def _scratch_folder(self) -> Path:
        """Where files can be renamed from into ``objects``: in it, where that is a link or mounted from elsewhere."""
        objects = self.root / "objects"
        return (objects if objects.is_symlink() or objects.is_mount() else self.root) / "tmp"


@lru_cache(1 << 12)  # thousands of parts may lie in one object
def _object_path(root: Path, oid: str) -> Path:
    return root / "objects" / oid[:2] / oid[2:4] / oid
