"""The journal of a search, as a file: written as it goes, gone through again after a kill."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from git_theta.errors import EvaluationError, StoreError, UsageError
from git_theta.evaluation.searching.journal_lines import (
    AskedScores,
    JournalEntry,
    encode_entry,
    encode_header,
    parse_entry,
)
from git_theta.store.files import make_folder
from git_theta.vcs.discovery import Repository
from git_theta.words import pluralize

_ID_DIGITS = 12
_HELD = "held out"


class SearchJournal:
    """What was evaluated before, and room for more.

    What is held out is scored at the end, and a search may go on behind that: it is looked up, wherever it stands.

    Args:
        file: where it is; an attribute, too.
        out: the same, open.
        entries: what it has, by the number of the line.
    """

    def __init__(self, file: Path, out: BinaryIO, entries: Mapping[int, JournalEntry]) -> None:
        self.file, self._out = file, out
        self._held = {one.asked: one for one in entries.values() if one.asked.part == _HELD and one.scores is not None}
        self._waiting = [(number, one) for number, one in entries.items() if one.asked.part != _HELD][::-1]

    def replay(self, asked: AskedScores) -> JournalEntry | None:
        """See ``SearchRecord``."""
        if asked.part == _HELD:
            return self._held.get(asked)
        if not self._waiting:
            return None
        number, entry = self._waiting.pop()
        if entry.asked != asked:
            raise EvaluationError(
                f"line {number} is about {entry.asked.candidate.describe()}, and this search comes to "
                f"{asked.candidate.describe()} there: it was begun with other releases of what it draws with",
                hint=f"Begin it anew: rm {self.file}",
                path=str(self.file),
            )
        return entry

    def append(self, entry: JournalEntry) -> None:
        """See ``SearchRecord``. Raises StoreError."""
        _write_line(self._out, encode_entry(entry), self.file)


@contextmanager
def open_journal(repository: Repository, request: Mapping[str, Any], *, resume: bool) -> Iterator[SearchJournal]:
    """The journal of the search that is about all this, for as long as the block runs.

    ``resume``: whether one that was begun before goes on, where there is one. Raises UsageError for one that is there
    otherwise, and for one that another process goes on with; EvaluationError for one that is damaged.
    """
    header = encode_header(request)
    file = repository.theta_dir / "search" / f"{hashlib.sha256(header).hexdigest()[:_ID_DIGITS]}.jsonl"
    make_folder(file.parent, repository.theta_dir)
    with _open_locked(file) as out:
        entries = _read_entries(file, header)
        if entries and not resume:
            anew = f"rm {shlex.quote(str(file))}"
            raise UsageError(
                f"this search was begun before: {pluralize(len(entries), 'evaluation')} in {file}",
                hint=f"Go on with it: --resume. Search elsewhere: --seed. Or begin it anew: {anew}",
            )
        if not os.fstat(out.fileno()).st_size:
            _write_line(out, header, file)
        yield SearchJournal(file, out, entries)


@contextmanager
def _open_locked(file: Path) -> Iterator[BinaryIO]:
    with file.open("ab", buffering=0) as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("another process is at this search", hint="Wait for it.", path=str(file)) from None
        except OSError:  # a file system without locks
            pass
        yield out


def _read_entries(file: Path, header: bytes) -> dict[int, JournalEntry]:
    """The evaluations of a journal, by the number of the line. A line that a kill cut is taken off."""
    *lines, cut = file.read_bytes().split(b"\n")
    if cut:
        os.truncate(file, file.stat().st_size - len(cut))
    if lines and lines[0] != header:
        raise EvaluationError("is the journal of another search", hint=f"Move it away: {file}", path=str(file))
    entries = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            entries[number] = parse_entry(line)
        except EvaluationError as error:
            raise EvaluationError(
                f"line {number} {error.message}", hint=f"Begin the search anew: rm {file}", path=str(file)
            ) from None
    return entries


def _write_line(out: BinaryIO, line: bytes, file: Path) -> None:
    """Write a line, durably, or nothing of it. Raises StoreError."""
    before = os.fstat(out.fileno()).st_size
    try:
        view = memoryview(line + b"\n")
        while view:
            view = view[out.write(view) :]
        os.fsync(out.fileno())
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(out.fileno(), before)
        raise StoreError(
            f"cannot write the journal of the search: {error.strerror}",
            hint="Mend that, then go on: --resume",
            path=str(file),
        ) from error
