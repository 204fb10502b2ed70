"""The ids in Git's notes of what is under way, which no ref, reflog or index need name.

A merge, rebase, cherry-pick, revert or bisect that has stopped, and what Git will go back to when it is given up, stand
in files of a worktree's Git directory: MERGE_HEAD, ORIG_HEAD, AUTO_MERGE, FETCH_HEAD, ``rebase-merge`` and others. They
are read by their letters: a number of 40 or 64 digits that is no id names nothing, and does no harm.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_ID = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
_NOTE = re.compile(r"[A-Z][A-Z0-9_]*")
_FOLDERS = ("rebase-merge", "rebase-apply", "sequencer", "refs/bisect", "refs/rewritten", "refs/worktree")
"""Notes of several files; and refs of one worktree, which Git shows in no other."""


def noted_ids(git_dirs: Iterable[Path]) -> set[str]:
    """The ids, of whatever kind of object and hash, in the notes of worktrees, given by their Git directories.

    A file that goes while it is looked for has none: what it named is elsewhere by then. Raises OSError for one that
    cannot be read.
    """
    return {found.decode() for git_dir in git_dirs for file in _note_files(git_dir) for found in _read_ids(file)}


def _note_files(git_dir: Path) -> Iterator[Path]:
    yield from (file for file in git_dir.iterdir() if _NOTE.fullmatch(file.name) and file.is_file())
    for folder in _FOLDERS:
        for place, _, names in os.walk(git_dir / folder, onerror=_require_readable):
            yield from (Path(place, name) for name in names)


def _require_readable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # there is none, or no more
        raise error


def _read_ids(file: Path) -> Iterator[bytes]:
    with suppress(FileNotFoundError), file.open("rb") as lines:
        for line in lines:
            yield from _ID.findall(line)
