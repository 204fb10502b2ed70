"""Repositories that stories begin with: built by real commands once, and copied from then on.

A fork of two branches takes Git and our filter 1.7 s, and a copy of it 0.02 s.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import pytest

from tests.command_server import GENUINE, name_launchers_in
from tests.effort import choose_tries

FOLDER = "THETA_TEST_TEMPLATES"
"""The environment variable that names the folder of what was built. Without it everything is built anew."""

_CACHES = ("index", "theta/state.sqlite", "theta/state.sqlite-wal", "theta/state.sqlite-shm")
"""Files below ``.git`` that hold inodes and times, which differ where all else is equal."""
_AGE = 3600
"""Seconds by which the files of a copy are older than the originals, so that none is as new as its index."""


class Rooted(Protocol):
    """A repository that is not bare."""

    @property
    def root(self) -> Path: ...


_Repository = TypeVar("_Repository", bound=Rooted)
_Params = ParamSpec("_Params")
_Build = Callable[Concatenate[_Repository, _Params], None]


def built_once(build: _Build[_Repository, _Params]) -> _Build[_Repository, _Params]:
    """Have ``build(repository, ...)`` copy what it made when it was called like that before, in this test run.

    It is called like that where its arguments, all files of the repository, caches aside, Git's global configuration,
    and how our programs start are the same. What it makes may follow from nothing else, and may name no folder.

    It is built by programs that are forked, though those of the test be genuine: how a story begins is not its matter.
    """

    @functools.wraps(build)
    def build_or_copy(repository: _Repository, /, *args: _Params.args, **kwargs: _Params.kwargs) -> None:
        folder = os.environ.get(FOLDER)
        if not folder:
            build(repository, *args, **kwargs)
            return
        call = pickle.dumps((build.__module__, build.__qualname__, args, kwargs))
        with _forked_programs(repository.root):
            template = Path(folder) / _digest(call, repository.root)
            if template.exists():
                _clear(repository.root)
            else:
                build(repository, *args, **kwargs)
                _move(repository.root, template)
            copy_repository(template, repository.root)

    return build_or_copy


@contextmanager
def _forked_programs(root: Path) -> Iterator[None]:
    """Have programs of a repository forked meanwhile, except in long tests."""
    genuine = os.environ.get(GENUINE)
    if not genuine or choose_tries(few=0, many=1):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(GENUINE)
        name_launchers_in(root)
        yield
    name_launchers_in(root)


def copy_repository(template: Path, root: Path) -> None:
    """Copy a repository and its worktree to an empty or a new folder, so that Git has to look at no file again."""
    shutil.copytree(template, root, symlinks=True, dirs_exist_ok=True)
    file = root / ".git" / "index"
    if file.exists():
        written = file.stat()
        data = bytearray(file.read_bytes())
        checksum = _checksum(data)  # before it is wrong
        for entry in _entries(bytes(data)):
            _describe_again(data, entry, root)
        data[-checksum().digest_size :] = checksum(data[: -checksum().digest_size]).digest()
        file.write_bytes(data)
        os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))


class _Entry(NamedTuple):
    """Where an entry of an index starts, in bytes, and what it says."""

    start: int
    mode_and_oid: bytes
    path: str


def _digest(call: bytes, root: Path) -> str:
    whole = hashlib.sha256(call + os.environ.get(GENUINE, "").encode() + b"\0")
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        whole.update(Path(os.environ[variable]).read_bytes() + b"\0")
    for file in _files(root):
        content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        whole.update(repr((os.fspath(file.relative_to(root)), file.lstat().st_mode, content)).encode())
    index = root / ".git" / "index"
    if index.exists():
        whole.update(repr([entry[1:] for entry in _entries(index.read_bytes())]).encode())
    return whole.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    caches = {root / ".git" / name for name in _CACHES}
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (file for name in sorted(names) if (file := Path(folder, name)) not in caches)


def _move(root: Path, template: Path) -> None:
    part = Path(tempfile.mkdtemp(dir=template.parent))
    for child in root.iterdir():
        child.rename(part / child.name)
    try:
        part.rename(template)
    except OSError:  # another worker of this test run has built the same
        shutil.rmtree(part)


def _clear(root: Path) -> None:
    for child in root.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _checksum(index: bytes | bytearray) -> Callable[..., hashlib._Hash]:
    """Which hash the ids and the end of an index are: the one that its end is right in."""
    return hashlib.sha1 if hashlib.sha1(index[:-20]).digest() == index[-20:] else hashlib.sha256


def _entries(index: bytes | bytearray) -> Iterator[_Entry]:
    """The entries of an index; see gitformat-index(5)."""
    version, count = struct.unpack_from(">II", index, 4)
    assert version in (2, 3), "the paths of other versions are compressed"
    size = _checksum(index)().digest_size
    start = 12
    for _ in range(count):
        flags = start + 40 + size
        name = flags + (4 if index[flags] & 0x40 else 2)
        end = index.index(0, name)
        mode_and_oid = bytes(index[start + 24 : start + 28] + index[start + 40 : name])
        yield _Entry(start, mode_and_oid, os.fsdecode(bytes(index[name:end])))
        start += (end - start) // 8 * 8 + 8


def _describe_again(index: bytearray, entry: _Entry, root: Path) -> None:
    """Have an entry that describes the original file describe the copy, as Git does after it has asked our filter."""
    file = root / entry.path
    try:
        copied = file.lstat()
    except OSError:
        return
    if struct.unpack_from(">II", index, entry.start + 8) == divmod(copied.st_mtime_ns, 10**9):
        os.utime(file, ns=(copied.st_atime_ns, copied.st_mtime_ns - _AGE * 10**9), follow_symlinks=False)
        now = file.lstat()
        times = *divmod(now.st_ctime_ns, 10**9), *divmod(now.st_mtime_ns, 10**9)
        struct.pack_into(">6I", index, entry.start, *times, now.st_dev & 0xFFFFFFFF, now.st_ino & 0xFFFFFFFF)
