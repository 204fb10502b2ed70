"""What a migration is about to do, written down before it does it: so it can be finished, and undone."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from git_theta.repository.migrating.moved_refs import MovedRef
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository


class MigrationRecord(NamedTuple):
    """A migration.

    Attributes:
        backup: the ref below which it keeps what it moved.
        action: what it was, in a word.
        moved: what it moved.
        worktree: the Git directory of the worktree that is to follow; "" for none.
        old, new: what is checked out there, before and after; "" where that did not change.
        pending: whether index and worktree are still to follow.
    """

    backup: str
    action: str
    moved: list[MovedRef]
    worktree: str
    old: str
    new: str
    pending: bool


def write_record(record: MigrationRecord, repository: Repository) -> None:
    """Keep it, durable when this returns."""
    folder = _folder_of(repository)
    atomic.replace_file(_file_of(record.backup, folder), json.dumps(record._asdict(), indent=1).encode(), scratch=None)


def read_record(backup: str, repository: Repository) -> MigrationRecord | None:
    """The record of the migration that keeps something below a ref, or None."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = json.loads(_file_of(backup, _folder_of(repository)).read_bytes())
        record = MigrationRecord(**found)
        return record._replace(moved=[MovedRef(*one) for one in record.moved])
    return None


def remove_record(record: MigrationRecord, repository: Repository) -> None:
    """Forget it."""
    _file_of(record.backup, _folder_of(repository)).unlink(missing_ok=True)


def _folder_of(repository: Repository) -> Path:
    return repository.theta_dir / "migrations"


def _file_of(backup: str, folder: Path) -> Path:
    return folder / f"{backup.rpartition('/')[2]}.json"
