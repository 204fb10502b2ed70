"""A migration that was killed before index and worktree followed, finished; and one that was done, undone."""

from __future__ import annotations

import os
from collections.abc import Mapping

from git_theta.errors import UsageError
from git_theta.repository.migrating.migrated_worktree import finish_attributes
from git_theta.repository.migrating.migration import finish_record
from git_theta.repository.migrating.migration_record import (
    MigrationRecord,
    read_record,
    remove_record,
    write_record,
)
from git_theta.repository.migrating.moved_refs import (
    HEAD,
    ORIGINALS,
    MovedRef,
    backup_name,
    list_backups,
    move_refs_back,
    next_backup,
    read_refs,
    require_not_elsewhere,
    resolve_head_name,
)
from git_theta.repository.migrating.preconditions import (
    describe_clean_worktree,
    describe_files,
    require_whole_history,
)
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git_succeeds
from git_theta.vcs.trees import differing_files, files_of


def finish_killed(repository: Repository) -> bool:
    """Have index and worktree follow what a killed command has moved, if nothing was changed since.

    Returns whether there was something to do.
    """
    unmoved = read_record(next_backup(), repository)  # nothing is kept of it: it moved nothing, or was being undone
    record = unmoved or _last_record(repository)
    finished = bool(record and record.pending and _finish(record, repository))
    if unmoved:
        remove_record(unmoved, repository)
    return finished


def undo_migration(repository: Repository) -> tuple[MigrationRecord, list[MovedRef]]:
    """Have everything that the last migration moved point at what it pointed at before. Returns what was moved back.

    Raises UsageError where there is none, or something was committed since.
    """
    require_whole_history(repository)
    record = _last_record(repository)
    if record is None:
        raise UsageError(
            "no migration is left to be undone", hint=f"What is kept of them: git for-each-ref {ORIGINALS}"
        )
    _require_unmoved(record)
    require_not_elsewhere(record.moved, repository)
    back = [MovedRef(ref.name, ref.new, ref.old) for ref in record.moved]
    undoing = _describe_undoing(record, back, repository)
    described: Mapping[str, os.stat_result] = {}
    if repository.worktree:
        commits = [undoing.old, undoing.new] if undoing.new else []
        changing = differing_files([files_of(commit, repository.worktree) for commit in commits])
        described = describe_clean_worktree(repository.worktree, changing)
    write_record(undoing, repository)
    move_refs_back(record.moved, record.backup, f"git theta migrate undo of {record.action}")
    finish_record(undoing, repository, described)
    remove_record(record, repository)
    return record, back


def _finish(record: MigrationRecord, repository: Repository) -> bool:
    if record.worktree != os.fspath(repository.git_dir) or repository.worktree is None:
        return False
    described = describe_files(repository.worktree)
    if read_refs([HEAD])[HEAD] == record.new and _is_untouched(record.old):
        finish_record(record, repository, described)
        return True
    halfway = read_refs([HEAD])[HEAD] == record.new and _is_indexed(record.new)
    if halfway:
        finish_attributes(repository.worktree, record.old, record.new)
    write_record(record._replace(pending=False), repository)
    return halfway


def _describe_undoing(record: MigrationRecord, back: list[MovedRef], repository: Repository) -> MigrationRecord:
    """What is about to be done, as a record has it."""
    head = next((ref for ref in back if ref.name == resolve_head_name()), None)
    if head is None or repository.worktree is None:
        return record._replace(worktree="", old="", new="", pending=False)
    return record._replace(worktree=os.fspath(repository.git_dir), old=head.old, new=head.new, pending=True)


def _require_unmoved(record: MigrationRecord) -> None:
    now = read_refs(ref.name for ref in record.moved)
    for ref in record.moved:
        if now[ref.name] != ref.new:
            raise UsageError(
                f"{ref.name} was moved since",
                hint=f"What it was before: git log {backup_name(record.backup, ref.name)}",
            )


def _last_record(repository: Repository) -> MigrationRecord | None:
    """That of the last migration of which something is kept."""
    backups = list_backups()
    return read_record(f"{ORIGINALS}/{backups[-1]}", repository) if backups else None


def _is_untouched(commit: str) -> bool:
    """Whether the index still holds what a commit has, and the worktree what the index holds."""
    return _is_indexed(commit) and git_succeeds("update-index", "--refresh")


def _is_indexed(commit: str) -> bool:
    return git_succeeds("diff-index", "--cached", "--quiet", commit)
