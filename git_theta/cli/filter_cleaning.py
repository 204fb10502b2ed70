"""Clean, for the files that one Git command has the filter look at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial

from git_theta.cli import boundary
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import UsageError
from git_theta.manifest.text import is_manifest
from git_theta.operations.adding.clean import Cleaning, clean_pieces
from git_theta.operations.context import Context
from git_theta.operations.streams import Stream
from git_theta.repository.stores.opening import conflicts_dir, partial_dir
from git_theta.vcs.attribute_files.nearby_attributes import ENCODING, may_be_recoded
from git_theta.vcs.callers.parent_cleaning import (
    is_recording,
    is_renormalizing,
    may_clean_stdin,
    only_asks,
    only_compares,
)
from git_theta.vcs.discovery import Repository
from git_theta.vcs.filter_protocol import NAMELESS, ReadInto
from git_theta.vcs.pktline import Buffer
from git_theta.words import join_some


def read_cleaning() -> Cleaning:
    """What becomes of what is cleaned, by the Git command that asks for it."""
    renormalizes = partial(is_renormalizing, just_smudged=True)
    return Cleaning(keep=not only_asks(), records=not only_compares(), renormalizes=renormalizes)


class FileCleaner:
    """Cleans one file after the other."""

    def __init__(self, repository: Repository, context: Context, meter: Meter) -> None:
        self._repository = repository
        self._context = context
        self._meter = meter
        self._cleaned = None if may_clean_stdin() else repository.worktree
        self._asked = read_cleaning()
        self._warned_of_pushes = False

    def clean_file(self, readinto: ReadInto, path: str, *, just_smudged: bool) -> Iterator[Buffer]:
        """What Git shall hold for a file; ``just_smudged``: what comes is what we have answered with before."""
        top = self._cleaned if path else None  # nameless, the file of the worktree cannot help
        if path and self._asked.records:
            require_encoding(self._repository, path)
        path = path or NAMELESS
        what = f"Storing {path}" if self._asked.keep else f"Comparing {path}"
        with self._meter.show_work(what, self._size_of(path)):
            asked = self._asked._replace(renormalizes=partial(is_renormalizing, just_smudged=just_smudged))
            pieces = clean_pieces(Stream(readinto), path, top, self._context, asked)
            first = next(pieces, b"")
        if path and self._asked.records:
            require_whole_file(self._repository, path, bytes(first))
        warn_if_contested(self._repository, path, bytes(first))
        if not self._warned_of_pushes and is_manifest(bytes(first)):
            self._warned_of_pushes = True
            if is_recording():
                warn_of_pushes(self._repository)
        yield first
        yield from pieces

    def _size_of(self, path: str) -> int | None:
        """Bytes of the file that Git is likely to send."""
        with contextlib.suppress(OSError):
            return (self._cleaned / path).lstat().st_size if self._cleaned else None
        return None


def require_encoding(repository: Repository, path: str) -> None:
    """Raise UsageError where attributes have Git take a file's manifest for a text in another encoding.

    It would record what is none: no push would see which objects the commit needs.
    """
    if may_be_recoded(path, repository):
        from git_theta.vcs.attribute_files.attribute_conversions import recoding_of

        if found := recoding_of(path, repository):
            raise UsageError(
                f"{found.attribute} ({found.file or 'attributes of your own'}) has Git recode its manifest",
                hint=f"Append to that file, for this path: PATTERN !{ENCODING}",
            )


def require_whole_file(repository: Repository, path: str, text: bytes) -> None:
    """Raise UsageError where what is about to be recorded has zeros that `git theta checkout --partial` wrote."""
    notes = partial_dir(repository)
    if notes.is_dir() and is_manifest(text):
        from git_theta.operations.restoring.partial_file import require_whole

        require_whole(path, text, notes)


def warn_if_contested(repository: Repository, path: str, text: bytes) -> None:
    """Warn a person who stages a file in conflict of contested parameters that are left."""
    if _may_be_in_conflict(repository) and is_recording():
        from git_theta.operations.merging.conflict_list import describe_names
        from git_theta.repository.merging.open_conflicts import find_recorded_ours

        names = find_recorded_ours(repository, path, text)
        if names:
            plural = "s are" if len(names) > 1 else " is"
            some = join_some(describe_names(names))
            boundary.warn(
                f"{path}: {len(names):,} contested parameter{plural} recorded as ours: {some}",
                hint=f"If that is not meant: git checkout --merge -- {path}; then git theta resolve.",
            )


def _may_be_in_conflict(repository: Repository) -> bool:
    """Whether a merge left anything contested here: one look at a folder that most repositories lack."""
    with contextlib.suppress(OSError):
        return any(os.scandir(conflicts_dir(repository)))
    return False
