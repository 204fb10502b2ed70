"""The index: what it holds, and making it believe in a file that we wrote."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from git_theta.errors import ChangedFile, GitError
from git_theta.vcs.blobs import blob_id
from git_theta.vcs.git import ask_git, git, split_nul
from git_theta.vcs.git_index import KnownFile, SplitIndexError, patch_index
from git_theta.vcs.index_flags import flagged_paths

_LOCK_PATIENCE = 1.0
"""Seconds to wait for another git: one that an editor runs in the background is done in a moment."""


def differs_from_index(path: str, worktree: Path | None) -> bool:
    """Whether the worktree has something else for a path than the index, which holds it without conflict.

    It has, for us, where somebody told the index not to look (``assume-unchanged``, ``skip-worktree``): nobody knows.
    """
    asked = ("--literal-pathspecs", "diff", "--quiet", "--", path)
    return bool(flagged_paths([path], worktree)) or ask_git(*asked, cwd=worktree) is None


def require_staged(path: str, blob: str, worktree: Path) -> str:
    """The mode that the index has for a path. Raises ChangedFile where it has another blob by now, or a conflict."""
    listed = split_nul(git("--literal-pathspecs", "ls-files", "-s", "-z", "--", path, cwd=worktree))
    mode, _, said = listed[0].partition("\t")[0].partition(" ") if len(listed) == 1 else ("", "", "")
    if said != f"{blob} 0":
        raise ChangedFile("somebody staged another version meanwhile", hint="Repeat the command.", path=path)
    return mode


def is_indexed(path: str, worktree: Path | None) -> bool:
    """Whether the index has an entry for a path, at whatever stage."""
    return ask_git("--literal-pathspecs", "ls-files", "--error-unmatch", "--", path, cwd=worktree) is not None


class _Written(Protocol):
    @property
    def text(self) -> bytes: ...
    @property
    def stat(self) -> os.stat_result: ...


class WorktreeIndex:
    """The index of a worktree, to be told of files that were written behind Git's back."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def invalidate_entries(self, paths: Iterable[str]) -> None:
        """Keep these entries, and forget how their files look: the next status compares contents."""
        listing = git("--literal-pathspecs", "ls-files", "-s", "-z", "--", *paths, cwd=self._top)
        git("update-index", "-z", "--index-info", cwd=self._top, stdin=listing)

    def record_written(self, written: Mapping[str, _Written]) -> None:
        """Have Git take these files for what its index holds, without reading them, where that is just this text.

        Who writes a file later makes it look different from what is recorded, and so Git looks into it.

        Args:
            written: by path from the top, the text of the blob, and how the file looked when it stood for that; none
                will do.

        Raises GitError, OSError; the next status then compares contents.
        """
        if not written:
            return
        answer = git(
            "rev-parse", "--path-format=absolute", "--git-path", "index", "--show-object-format", cwd=self._top
        )
        place, _, algorithm = os.fsdecode(answer).rstrip("\n").rpartition("\n")
        files = {
            path: KnownFile(blob_id([one.text], len(one.text), algorithm), one.stat) for path, one in written.items()
        }
        self._record(Path(place), files)

    def record_known(self, files: Mapping[str, KnownFile]) -> None:
        """As ``record_written``, for blobs that are named by their ids; at least one."""
        place = git("rev-parse", "--path-format=absolute", "--git-path", "index", cwd=self._top)
        self._record(Path(os.fsdecode(place).removesuffix("\n")), files)

    def _record(self, place: Path, files: Mapping[str, KnownFile]) -> None:
        index = place.resolve()
        try:
            _patch_file(index, files)
        except SplitIndexError:
            git("update-index", "--no-split-index", cwd=self._top, config={"core.splitIndex": "false"})
            _patch_file(index, files)
            git("update-index", "--split-index", cwd=self._top)


def _patch_file(index: Path, files: Mapping[str, KnownFile]) -> None:
    """Put a patched index in the index's place, under Git's own lock, which is held for no longer than that takes.

    It keeps its time. Git looks into files that were changed in that second: those in which it has not looked since.
    """
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        with index.open("rb") as file:  # open to the end: no other index can have this inode
            found = os.fstat(file.fileno())
            content = patch_index(file.read(), files)
            with _lock_index(index, deadline) as (lock, descriptor):
                if os.path.samestat(found, index.stat()):
                    _write_all(descriptor, content)
                    os.fchmod(descriptor, found.st_mode & 0o7777)
                    os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
                    lock.rename(index)
                    return


@contextlib.contextmanager
def _lock_index(index: Path, deadline: float) -> Iterator[tuple[Path, int]]:
    """Git's lock on its index, as a path and a descriptor; gone afterwards, renamed or removed."""
    lock = index.with_name(f"{index.name}.lock")
    while True:
        try:
            descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            break
        except FileExistsError as error:
            if time.monotonic() > deadline:
                raise GitError(f"another git process seems to run: {lock} exists") from error
            time.sleep(0.02)
    try:
        yield lock, descriptor
    finally:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), lock.lstat()):  # not the lock of who came after us
                lock.unlink()
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
