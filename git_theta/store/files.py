"""What stores and inboxes do with files and folders alike."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from git_theta.errors import StoreError
from git_theta.store.base import Buffer


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder of the theta directory ``root``, and those above it.

    In a shared repository others must be able to write there: what core.sharedRepository asks for, Git itself has made
    visible on its own ``objects``, beside our root.
    """
    if folder.is_dir():
        return
    if folder == root:
        folder.parent.mkdir(parents=True, exist_ok=True)
    else:
        make_folder(folder.parent, root)
    folder.mkdir(exist_ok=True)
    beside = root.parent / "objects"
    mode = stat.S_IMODE(beside.stat().st_mode) if beside.is_dir() else 0
    if mode & stat.S_IWGRP:
        with contextlib.suppress(PermissionError):  # another member made it in this moment
            folder.chmod(mode)


def write_chunk(descriptor: int, chunk: Buffer) -> None:
    """Write all of a chunk."""
    view = memoryview(chunk).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def fsync_directory(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_store_error(error: OSError, root: Path) -> StoreError:
    """What the system refused, with what helps."""
    hints = {
        errno.ENOSPC: "Free some space and repeat the command; nothing was half-stored.",
        errno.EDQUOT: "The quota is used up: free some space and repeat the command.",
        errno.EROFS: "The file system is read-only.",
        errno.EACCES: "Check who owns the directory, and its permissions.",
    }
    return StoreError(f"cannot write to the store {root}: {error.strerror}", hint=hints.get(error.errno or 0, ""))
