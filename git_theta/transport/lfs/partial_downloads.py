"""Downloads of git-lfs that were cut: they go to the inbox, and the next try, in whichever process, brings the rest."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import StoreError
from git_theta.store.base import is_oid
from git_theta.store.inbox import Inbox

_INCOMPLETE = "incomplete"
"""Where git-lfs writes what is still arriving, below its storage: files whose names begin with the object's id."""
_RESUMED = ".part"
"""What is behind the id in the name of a file from whose end git-lfs goes on."""
_LOCK = "lock"


def find_incomplete(storage: Path) -> dict[str, tuple[Path, int]]:
    """What git-lfs has of objects that are still arriving: of each the largest file, and its bytes."""
    found: dict[str, tuple[Path, int]] = {}
    for file in (storage / _INCOMPLETE).glob("*"):
        oid = file.name[:64]
        with contextlib.suppress(FileNotFoundError):  # it has arrived
            size = file.stat().st_size
            if is_oid(oid) and size > found.get(oid, (file, -1))[1]:
                found[oid] = file, size
    return found


def resume_downloads(storage: Path, objects: Mapping[str, int], inbox: Inbox) -> set[str]:
    """Give git-lfs what the inbox has of these objects (oid to size); those it has anything of."""
    folder = storage / _INCOMPLETE
    folder.mkdir(parents=True, exist_ok=True)
    return {oid for oid in objects if inbox.lend_partial(oid, folder / f"{oid}{_RESUMED}")}


def keep_downloads(storage: Path, objects: Mapping[str, int], inbox: Inbox) -> None:
    """Keep in the inbox what git-lfs, which has ended, has of these objects (oid to size)."""
    for oid, (file, size) in find_incomplete(storage).items():
        if 0 < size < objects.get(oid, 0):
            inbox.keep_partial(file, oid)


def drop_downloads(storage: Path, oids: set[str]) -> None:
    """Let git-lfs begin anew with these objects."""
    for file in (storage / _INCOMPLETE).glob("*"):
        if file.name[:64] in oids:
            file.unlink(missing_ok=True)


@contextmanager
def lock_scratch(git_dir: Path) -> Iterator[int]:
    """Hold a scratch repository: a descriptor, which programs that work there are to inherit.

    It is held until the last of them has ended, should we be killed.
    """
    descriptor = os.open(git_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def rescue_downloads(folder: Path, inbox: Inbox) -> None:
    """Keep in the inbox what killed processes left half-downloaded in scratch repositories in a folder."""
    for incomplete in folder.glob(f"*/*/{_INCOMPLETE}"):
        storage = incomplete.parent
        with contextlib.suppress(OSError, StoreError):  # it is gone, somebody is at it, or nothing can be written
            descriptor = os.open(storage.parent / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for oid, (file, size) in find_incomplete(storage).items():
                    if size:
                        inbox.keep_partial(file, oid)
            finally:
                os.close(descriptor)
