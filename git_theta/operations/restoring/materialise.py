"""A manifest that lies in the worktree becomes the file it stands for, in one step, or stays what it is."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import StoreError
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.store.leftovers import HIDDEN_PREFIX, sweep_temporaries
from git_theta.tensors.arrays import Buffer


class WrittenFile(NamedTuple):
    """A file that took its manifest's place: the manifest's text, and how the file looked then."""

    text: bytes
    stat: os.stat_result


def holds_text(target: Path, text: bytes) -> bool:
    """Whether ``target`` is a regular file (not a link to one) with exactly this text."""
    with contextlib.suppress(OSError):
        described = target.lstat()
        return stat.S_ISREG(described.st_mode) and described.st_size == len(text) and target.read_bytes() == text
    return False


def require_room(size: int, folder: Path) -> None:
    """Raise StoreError when ``folder``'s file system has not ``size`` bytes left."""
    described = os.statvfs(folder)
    free = described.f_bavail * described.f_frsize
    if free < size:
        raise StoreError(
            f"{size:,} bytes to check out, and {free:,} free in {folder}: nothing was written",
            hint="Free some space. Where manifests stand in the files' places, then: git theta checkout",
        )


def materialise_file(
    manifest: Manifest,
    text: bytes,
    target: Path,
    context: Context,
    *,
    modified_ns: int | None = None,
    pieces: Iterable[Buffer] | None = None,
    before_placing: Callable[[], object] = lambda: None,
) -> os.stat_result | None:
    """Put the file in the place of ``text``, its manifest; its new description, or None when that is not there.

    A reader sees the manifest or the whole file, nothing between. Permissions stay. Raises MissingObject,
    CorruptObject, StoreError; the manifest is left in place then. ``modified_ns`` is the file's time, where it is not
    to be that of its writing; ``pieces`` its bytes, where they are not to be all of what the manifest stands for;
    ``before_placing`` is called once all of it is written, and before it is there.
    """
    if not holds_text(target, text):
        return None
    with _temporary_file(target, context.scratch) as (temporary, descriptor):
        for piece in restore_pieces(manifest, context) if pieces is None else pieces:
            _write_all(descriptor, memoryview(piece).cast("B"))
        os.fchmod(descriptor, stat.S_IMODE(target.lstat().st_mode))
        if modified_ns is not None:
            os.utime(descriptor, ns=(modified_ns, modified_ns))
        before_placing()
        if not holds_text(target, text):
            return None
        temporary.rename(target)
        return os.fstat(descriptor)


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def _temporary_file(target: Path, scratch: Path) -> Iterator[tuple[Path, int]]:
    """A temporary file on the target's file system: out of sight where that can be, or else next to it."""
    folder = scratch if _can_rename_into(scratch, target.parent) else target.parent
    if folder != scratch:
        sweep_temporaries(folder, shared=True)
    temporary, descriptor = _temporary_path(folder), -1
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        yield temporary, descriptor
    except OSError as error:
        raise StoreError(
            f"cannot write the file: {error.strerror}", hint="Mend that, then: git theta checkout"
        ) from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _temporary_path(folder: Path) -> Path:
    return folder / f"{HIDDEN_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"


def _can_rename_into(scratch: Path, folder: Path) -> bool:
    """Whether ``scratch`` can be had, and files can be renamed from it into ``folder``.

    Two mounts of one file system have the same device number, and refuse it all the same: so it is tried.
    """
    probe = _temporary_path(scratch)
    with contextlib.suppress(OSError):
        scratch.mkdir(parents=True, exist_ok=True)
        if scratch.stat().st_dev == folder.stat().st_dev:
            probe.touch()
            probe.replace(folder / probe.name)
            (folder / probe.name).unlink()
            return True
    with contextlib.suppress(OSError):
        probe.unlink()
    return False
