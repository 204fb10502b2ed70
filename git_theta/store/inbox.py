"""Objects that are still arriving: half of one stays for the next try, and none is an object before it is verified."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from git_theta.errors import CorruptObject, TransportError
from git_theta.store.base import Buffer, Store, require_oid
from git_theta.store.files import as_store_error, make_folder, write_chunk
from git_theta.store.leftovers import sweep_older

FOLDER = "incoming"
"""Where partial files are, in the theta directory."""
_STALE_SECONDS = 7 * 24 * 3600
"""Seconds after which nobody is going to resume a transfer."""

ReadFrom = Callable[[int], Iterable[Buffer]]
"""The bytes of an object on a remote, from an offset on."""


class Inbox:
    """Brings objects into a store; see :meth:`fill` and :meth:`adopt`. Several processes may use one folder.

    Args:
        store: takes what has arrived.
        root: the theta directory, in which partial files are kept.
    """

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root
        self._swept = False

    def has(self, oid: str, size: int) -> bool:
        """Whether the store has the object already."""
        return self._store.size(oid) == size

    def adopt(self, file: Path, oid: str) -> None:
        """Take an object from a file that has arrived whole. Raises CorruptObject, keeping nothing, if it is none."""
        self._store.adopt(file, oid)
        self._drop(self._partial_path(oid))

    def lend_partial(self, oid: str, place: Path) -> bool:
        """Move what an earlier try left of an object to a place; whether there was anything, with nobody at it."""
        with contextlib.suppress(OSError):
            path = self._partial_path(oid)
            if path.stat().st_size and (descriptor := _open_locked(path)) is not None:
                try:
                    path.rename(place)
                    return True
                finally:
                    os.close(descriptor)
        return False

    def keep_partial(self, file: Path, oid: str) -> None:
        """Keep what has arrived of an object in a file for the next try, where it is more than is kept already.

        The file is moved: nobody may write to it any more.
        """
        with self._open_partial(oid) as (path, descriptor), self._as_store_errors():
            if path == self._partial_path(oid) and file.stat().st_size > os.fstat(descriptor).st_size:
                file.chmod(0o600)
                file.rename(path)
            elif not os.fstat(descriptor).st_size:
                self._drop(path)

    def fill(self, oid: str, size: int, read_from: ReadFrom) -> None:
        """Take an object that comes in pieces, from where an earlier try ended.

        Args:
            oid: the object.
            size: its bytes.
            read_from: given how many bytes are here, the rest; it may raise in the middle. What came until then stays.

        Raises TransportError when fewer or more bytes come, CorruptObject when they are not the object: then nothing
        of them stays. StoreError when they cannot be written.
        """
        with self._open_partial(oid) as (partial, descriptor):
            here = min(os.fstat(descriptor).st_size, size)
            try:
                self._receive(partial, descriptor, oid, size, here, read_from)
            except CorruptObject:
                self._drop(partial)
                raise
            self._drop(partial)

    def _receive(self, partial: Path, descriptor: int, oid: str, size: int, here: int, read_from: ReadFrom) -> None:
        """Write the bytes from ``here`` on, and have the store take the file."""
        self._write(descriptor, here, size, read_from(here) if here < size else ())
        arrived = os.fstat(descriptor).st_size
        if arrived < size:
            raise TransportError(f"object {oid} ended after {arrived} of {size} bytes")
        try:
            if arrived > size:
                raise CorruptObject(f"object {oid} has more than the {size} bytes that it should have")
            self._store.adopt(partial, oid)
        except CorruptObject:
            if not here:
                raise
            # What an earlier try left was another source's, perhaps: once more, all of it from this one.
            self._receive(partial, descriptor, oid, size, 0, read_from)

    def _write(self, descriptor: int, here: int, size: int, chunks: Iterable[Buffer]) -> None:
        with self._as_store_errors():
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, here)
            os.lseek(descriptor, here, os.SEEK_SET)
        for chunk in chunks:  # what this raises is the remote's
            with self._as_store_errors():
                write_chunk(descriptor, chunk)
            here += len(chunk)
            if here > size:
                break
        with self._as_store_errors():
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o444)

    @contextlib.contextmanager
    def _open_partial(self, oid: str) -> Iterator[tuple[Path, int]]:
        """The object's partial file, locked; a fresh one where another process is receiving the same object."""
        with self._as_store_errors():
            self._sweep()
            path = self._partial_path(oid)
            descriptor = _open_locked(path)
            if descriptor is None:
                path = path.with_name(f"{oid}-{os.urandom(8).hex()}")
                descriptor = _open_locked(path)
        assert descriptor is not None
        try:
            yield path, descriptor
        finally:
            os.close(descriptor)

    def _partial_path(self, oid: str) -> Path:
        return self._root / FOLDER / require_oid(oid)

    def _sweep(self) -> None:
        if not self._swept:
            make_folder(self._root / FOLDER, self._root)
            sweep_older(self._root / FOLDER, _STALE_SECONDS)
            self._swept = True

    def _drop(self, partial: Path) -> None:
        with contextlib.suppress(OSError):
            partial.unlink()

    @contextlib.contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise as_store_error(error, self._root) from error


def _open_locked(path: Path) -> int | None:
    """Open a file, made if need be, that no other process has open in this way; None where one has."""
    while True:
        descriptor = _open_writable(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_ours_alone(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_ours_alone(path: Path, descriptor: int) -> bool:
    """Whether the open file is still at its path, and nowhere else; what is not is out of the way afterwards."""
    now = os.fstat(descriptor)
    with contextlib.suppress(OSError):
        if not os.path.samestat(now, path.lstat()):  # whoever had it has finished in between
            return False
        if now.st_nlink == 1:
            return True
        path.unlink()  # its process was killed when the store had it already: to write here would change the object
    return False


def _open_writable(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except PermissionError:  # killed between its last byte and the store
        path.unlink()
        return os.open(path, flags, 0o600)
