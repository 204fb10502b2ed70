"""Files that are read whole, and written whole or not at all: a small one that we edit, and a new one of any size."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from git_theta.errors import UsageError


def read_file(file: Path, *, most: int = -1) -> bytes:
    """The content of ``file``, b"" where there is none. Raises UsageError where :func:`replace_file` would.

    ``most``: the bytes that are read of it; -1 for all.
    """
    _refuse_special(file)
    if not file.exists():
        return b""
    with file.open("rb") as content:
        return content.read(most)


def read_or_nothing(file: Path) -> bytes:
    """The content of a file that is others' to write; b"" where there is none, or none that we may read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def replace_file(file: Path, content: bytes, *, mode: int | None = None, scratch: Path | None = None) -> None:
    """Write ``content`` to ``file`` by way of a temporary file beside it, making the folders above.

    Args:
        file: what to write; never through a symbolic link (L10).
        content: all of it.
        mode: permission bits of a file that is new; None for what the umask leaves of 0o666. One that is there keeps
            its own.
        scratch: where the temporary file is to be, instead of beside ``file``, if it can be renamed from there: a
            folder that is swept of what killed processes leave.

    Raises UsageError where ``file`` is a symbolic link or no regular file, OSError where it cannot be written.
    """
    import tempfile  # with what it imports, 5 ms, which a filter that only looks at the hook does not spend

    _refuse_special(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    if scratch and _is_same_device(scratch, file.parent):
        temporary = os.fspath(scratch / f"{os.getpid()}-{os.urandom(8).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    else:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), _mode_for(file, mode))
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def create_file(file: Path, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
    """Write a new file, making the folders above: it is whole, and durable, as soon as it is there.

    Raises OSError where it cannot be written, or is there already.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{os.urandom(8).hex()}.part")  # what a person has there is nobody else's
    try:
        with temporary.open("xb") as out:
            out.writelines(pieces)
            out.flush()
            os.fsync(out.fileno())
        if os.path.lexists(file):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        temporary.rename(file)
    finally:
        temporary.unlink(missing_ok=True)


def _is_same_device(folder: Path, other: Path) -> bool:
    """Whether ``folder`` can be had, and is on the same file system, and mount, as ``other``."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return folder.stat().st_dev == other.stat().st_dev
    return False


def _refuse_special(file: Path) -> None:
    if file.is_symlink():
        raise UsageError(
            "is a symbolic link, which we do not write through",
            hint=f"edit {file.readlink()} itself, or put a regular file in the link's place",
            path=str(file),
        )
    if file.exists() and not file.is_file():  # a file of ours in the place of /dev/null would be everybody's trouble
        raise UsageError("is no regular file", hint="Name one, or a new one.", path=str(file))


def _mode_for(file: Path, mode: int | None) -> int:
    if file.exists():
        return file.stat().st_mode & 0o7777
    umask = os.umask(0o077)  # the only way to read it is to set it
    os.umask(umask)
    return (0o666 if mode is None else mode) & ~umask
