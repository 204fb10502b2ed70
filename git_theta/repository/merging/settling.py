"""A file in conflict settled as far as it was chosen, and written: to the worktree, and to the index or the notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context, Progress
from git_theta.operations.merging.conflict_resolution import is_untouched, resolve_conflict
from git_theta.operations.merging.conflicts import Conflict, note_of, remove_note, write_note
from git_theta.operations.merging.merge_results import Choose, MergeResult, MergeSettings
from git_theta.operations.restoring.deferred import DeferredFiles
from git_theta.operations.restoring.materialise import materialise_file, require_room
from git_theta.operations.restoring.restore import require_objects
from git_theta.repository.merging.companion_versions import FindCompanions, find_in_sides
from git_theta.repository.merging.open_conflicts import read_conflict
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository
from git_theta.vcs.index import WorktreeIndex
from git_theta.vcs.merges.stopped_sides import find_sides, merges_several
from git_theta.vcs.merges.unmerged import UnmergedFile, stage_content

ErrorReporter = Callable[[ThetaError], None]
"""Says an error that does not keep other files from being settled; the exit code tells of it."""


class SettlingJob(NamedTuple):
    """What settling works with: a repository opened, the top of its worktree, and who is told how far it is."""

    repository: Repository
    top: Path
    context: Context
    progress: Progress
    report: ErrorReporter


def settle_file(
    file: UnmergedFile, chooser: Callable[[Conflict, Context], Choose], job: SettlingJob
) -> MergeResult | None:
    """Settle what was chosen of one file, and write it; None where the conflict is not by parameters.

    Args:
        file: the file in conflict.
        chooser: who chooses, given its conflict.
        job: what to work with.

    Raises UsageError for a file of a checkpoint that is contested across files, where several heads are merged at once:
    the index has room for two of them.
    """
    if file.is_one_sided and merges_several(job.repository.git_dir):
        raise UsageError(
            "it is contested across the files of its checkpoint, and several heads are merged at once",
            hint="Give the merge up, and merge by parameters: git merge --abort; git theta merge HEAD...",
        )
    found = read_conflict(file, job.repository)
    if found is None:
        return None
    (conflict, note), top = found, job.top
    context = job.context._replace(find_companions=_find_companions(file, job))
    if not is_untouched(conflict, file.path, top, context):
        raise UsageError(
            "the file was changed since the merge, and settling would overwrite that",
            hint=f"Keep it: git add. Or start over: git checkout --merge -- {os.path.relpath(top / file.path)}",
        )
    merged = resolve_conflict(conflict, chooser(conflict, context), MergeSettings(), context)
    require_objects(merged.manifest, context)
    if merged.applied or not merged.left:
        _write_settled(file, merged, note, job)
    return merged


def _find_companions(file: UnmergedFile, job: SettlingJob) -> FindCompanions:
    """What finds companions at the commits of the merge that stopped here."""
    find_commits = cache(partial(find_sides, job.repository.git_dir, job.top))
    return find_in_sides(file.path, find_commits, lambda side, held: held.blob.oid == file.oids[1 + side], job.top)


def _write_settled(file: UnmergedFile, merged: MergeResult, note: Path, job: SettlingJob) -> None:
    """The worktree's file; then what is left is noted, or the file is staged."""
    path, top, context, text = file.path, job.top, job.context, encode_manifest(merged.manifest)
    require_room(merged.manifest.size, top)
    with job.progress.show_work("Restoring", merged.manifest.size):
        # First of all a manifest: stopped at any point, we know by it that nothing of the person's is in the file.
        atomic.replace_file(top / path, text, scratch=context.scratch)
        if merged.left:
            write_note(note_of(path, merged), text, note)
            materialise_file(merged.manifest, text, top / path, context)
        else:
            stage_content(path, file.mode, text, top)
            remove_note(note)
            deferred = DeferredFiles(top, context, job.report)
            deferred.add(path, merged.manifest, text)
            deferred.write(WorktreeIndex(top), job.progress.begin_item)
