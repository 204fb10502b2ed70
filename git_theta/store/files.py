"""What stores and inboxes do with files and folders alike."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from git_theta.errors import StoreError, suggest_remedy
from git_theta.store.base import Buffer

_CLONE = 0x40049409
"""FICLONE, of btrfs, XFS and others on Linux: two files have the same bytes on the disk, until one is written to."""


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder of the theta directory ``root``, and those above it.

    In a shared repository others must be able to write there: what core.sharedRepository asks for, Git itself has made
    visible on its own ``objects``, beside our root. A folder that is there already may have been made without that.
    """
    if not folder.is_dir():
        if folder == root:
            folder.parent.mkdir(parents=True, exist_ok=True)
        else:
            make_folder(folder.parent, root)
        folder.mkdir(exist_ok=True)
    beside = root.parent / "objects"
    mode = stat.S_IMODE(beside.stat().st_mode) if beside.is_dir() else 0
    if mode & stat.S_IWGRP and stat.S_IMODE(folder.stat().st_mode) != mode:
        with contextlib.suppress(PermissionError):  # it is another member's
            folder.chmod(mode)


def write_chunk(descriptor: int, chunk: Buffer) -> None:
    """Write all of a chunk."""
    view = memoryview(chunk).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def clone_file(source: int, target: int) -> bool:
    """Give an empty open file the bytes of another one, shared on the disk; whether the file system can do that."""
    try:
        return sys.platform == "linux" and fcntl.ioctl(target, _CLONE, source) == 0
    except OSError:
        return False


@contextlib.contextmanager
def lock_file(path: Path, *, alone: bool) -> Iterator[int | None]:
    """A file, open and locked, as long as it stands at its path; None where it does not.

    ``alone``: against everybody else who locks it, and None where somebody has. Else only against those; they are
    waited for. Where the file system has no locks, nobody is kept out.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield descriptor if _lock_descriptor(descriptor, path, alone=alone) else None
    finally:
        os.close(descriptor)


def _lock_descriptor(descriptor: int, path: Path, *, alone: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except BlockingIOError:
        return False
    except OSError:  # NFS takes no exclusive lock on what is open for reading, and others take none at all
        pass
    try:
        there = os.fstat(descriptor)
        return stat.S_ISREG(there.st_mode) and os.path.samestat(there, path.lstat())
    except OSError:  # deleted while we waited
        return False


def fsync_directory(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_store_error(error: OSError, root: Path) -> StoreError:
    """What the system refused, with what helps."""
    return StoreError(f"cannot write to the store {root}: {error.strerror}", hint=suggest_remedy(error))
