"""A migration, step by step. Until the very last nothing points at the new history; then everything does, at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.operations.context import Context
from git_theta.repository.migrating.attribute_changes import plan_attribute_changes
from git_theta.repository.migrating.base import BlobConversion
from git_theta.repository.migrating.default_patterns import LARGEST_ATTRIBUTES
from git_theta.repository.migrating.export_conversion import ExportConversion
from git_theta.repository.migrating.history_rewriter import HistoryRewriter
from git_theta.repository.migrating.history_survey import export_commits
from git_theta.repository.migrating.import_conversion import ImportConversion
from git_theta.repository.migrating.lfs_objects import LfsObjects
from git_theta.repository.migrating.migrated_worktree import follow_worktree
from git_theta.repository.migrating.migration_plan import MigrationPlan, require_lfs_objects, require_something
from git_theta.repository.migrating.migration_record import MigrationRecord, write_record
from git_theta.repository.migrating.moved_refs import (
    HEAD,
    NEW_HISTORY,
    MovedRef,
    copy_notes,
    list_left_behind,
    move_refs,
    next_backup,
    plan_moves,
    require_not_elsewhere,
)
from git_theta.repository.migrating.preconditions import describe_clean_worktree
from git_theta.vcs import atomic, config
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.commit_headers import count_lost_headers
from git_theta.vcs.discovery import Repository
from git_theta.vcs.fast_export import ATTRIBUTES_NAME
from git_theta.vcs.fast_import import HistoryImport
from git_theta.vcs.git import git, git_succeeds


class Migration(NamedTuple):
    """What was done.

    Attributes:
        commits: old to new, of those that were made anew.
        moved: refs that point elsewhere now.
        left_behind: branches and tags that still have commits which were made anew.
        backup: the ref below which is kept what they pointed at.
        lost: headers of commits that are not kept, by name: how many had one.
        unsigned: tags that have lost their signature.
        unfiltered: files that attributes somewhere keep from our filter.
    """

    commits: Mapping[str, str]
    moved: list[MovedRef]
    left_behind: list[str]
    backup: str
    lost: Mapping[str, int]
    unsigned: list[str]
    unfiltered: list[str]


def apply_migration(
    plan: MigrationPlan, repository: Repository, context: Context, *, fetch: bool = False, map_file: Path | None = None
) -> Migration:
    """Do what was planned.

    Args:
        plan: of ``plan_migration``.
        repository: the one that it is for.
        context: what to work with.
        fetch: whether git-lfs may be asked to fetch what is not here.
        map_file: where old and new ids of commits are written, a pair a line.

    Raises UsageError, MissingObject, CorruptObject, StoreError, GitError: then no ref was moved.
    """
    objects = LfsObjects(repository)
    require_something(plan)
    _require_filter(plan, repository)
    described = describe_clean_worktree(repository.worktree, _list_changing(plan)) if repository.worktree else {}
    require_lfs_objects(plan, objects, fetch=fetch)
    with _open_conversion(plan, context, objects) as conversion:
        commits, first = _rewrite_history(plan, repository, conversion)
    if not commits:
        raise UsageError("nothing changed: what matches is as it is to be already")
    lost = count_lost_headers(commits.items())
    moves = plan_moves(commits)
    require_not_elsewhere(moves.refs, repository)
    moved = [*moves.refs, *copy_notes(commits)]
    if map_file:
        atomic.replace_file(map_file, "".join(f"{old} {new}\n" for old, new in commits.items()).encode())
    record = _make_record(plan, repository, moved, commits)
    write_record(record, repository)
    move_refs(moved, record.backup, f"git theta migrate {plan.request.action}")
    unfiltered = finish_record(record, repository, described)
    kept_from = unfiltered if plan.request.action == "import" else []
    left_behind = list_left_behind(first, moved)
    return Migration(commits, moved, left_behind, record.backup, lost, moves.unsigned, kept_from)


def finish_record(
    record: MigrationRecord, repository: Repository, described: Mapping[str, os.stat_result]
) -> list[str]:
    """Have index and worktree follow; returns the files that attributes keep from our filter.

    ``described``: how the files looked when they were what the index holds.
    """
    unfiltered: list[str] = []
    if record.new and repository.worktree:
        unfiltered = follow_worktree(repository.worktree, record.old, record.new, described)
    write_record(record._replace(pending=False), repository)
    return unfiltered


def _rewrite_history(
    plan: MigrationPlan, repository: Repository, conversion: BlobConversion
) -> tuple[dict[str, str], list[str]]:
    """Old commits to those that take their places; and the first of these old ones."""
    changes = plan_attribute_changes(plan.survey, plan.chosen, plan.request.exchange, repository)
    with (
        _temporary_file(repository.theta_dir / "tmp") as marks,
        BlobReader(LARGEST_ATTRIBUTES) as blobs,
        export_commits(plan.tips.values()) as exported,
        HistoryImport(NEW_HISTORY, repository.git_dir, marks) as target,
    ):
        rewriter = HistoryRewriter(plan.survey, conversion, changes, target, blobs)
        rewriter.rewrite_all(exported)
        ids = target.finish()
    commits = {old.decode(): ids[mark] for old, mark in rewriter.marks.items()}
    return commits, [old.decode() for old in rewriter.first]


@contextmanager
def _open_conversion(plan: MigrationPlan, context: Context, objects: LfsObjects) -> Iterator[BlobConversion]:
    if plan.request.action == "import":
        with ImportConversion(context, plan.facts, objects) as conversion:
            yield conversion
        return
    exporting = ExportConversion(context, plan.facts, objects if plan.request.pointers else None)
    exporting.require_all(plan.survey.versions)
    yield exporting


def _list_changing(plan: MigrationPlan) -> set[str]:
    """The paths of files that may get another version."""
    attributes = {path for path, _ in plan.survey.attributes}
    return {os.fsdecode(path) for path in {ATTRIBUTES_NAME, *attributes, *plan.survey.versions}}


def _make_record(
    plan: MigrationPlan, repository: Repository, moved: list[MovedRef], commits: Mapping[str, str]
) -> MigrationRecord:
    old = git("rev-parse", HEAD).decode().strip() if git_succeeds("rev-parse", "--verify", "--quiet", HEAD) else ""
    new = commits.get(old, "") if repository.worktree else ""
    worktree = os.fspath(repository.git_dir) if new else ""
    return MigrationRecord(next_backup(), plan.request.action, moved, worktree, old if new else "", new, bool(new))


def _require_filter(plan: MigrationPlan, repository: Repository) -> None:
    """Raise UsageError where Git would not get the files of the worktree through the filter that they are to have."""
    if repository.worktree is None:
        return
    if plan.request.action == "import" and not config.is_installed():
        raise UsageError("the filter is not installed here", hint="Run `git theta install`, and this again.")
    if plan.request.pointers and not git_succeeds("config", "--get", "filter.lfs.clean"):
        raise UsageError("git-lfs is not installed here", hint="Run `git lfs install`, and this again.")


@contextmanager
def _temporary_file(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{os.getpid()}-{os.urandom(8).hex()}"
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
