"""A checkpoint of several files in conflict, settled whole: from the commits that are merged, whatever Git made of it.

Git merges file by file. Where a side moved parameters among shards that cannot be right, and the driver leaves it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from git_theta.errors import GitError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.conflict_resolution import clean_worktree_file
from git_theta.operations.merging.conflicts import is_same_file
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import Choose, MergeResult, MergeSettings
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.operations.restoring.deferred import DeferredFiles
from git_theta.operations.restoring.materialise import WrittenFile, require_room
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.repository.merging.checkpoint_cases import SIDE_LABELS
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.contested_index import is_index_untouched
from git_theta.repository.merging.open_conflicts import read_conflict
from git_theta.repository.merging.settling import SettlingJob
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository
from git_theta.vcs.index import WorktreeIndex, differs_from_index, is_indexed
from git_theta.vcs.merges.rescheduled_pick import drop_rescheduled
from git_theta.vcs.merges.unmerged import UnmergedFile, stage_contents


def settle_checkpoint(
    conflict: CheckpointConflict, chooser: Callable[[FilePlan, Context], Choose], job: SettlingJob
) -> MergeResult:
    """Settle a checkpoint, and write and stage all of its files; or nothing, where something is left contested.

    Args:
        conflict: the checkpoint in conflict; its plan is by parameters.
        chooser: who chooses, given its plan.
        job: what to work with.

    Raises UsageError where a file was changed since the merge.
    """
    item, sides = conflict.item, conflict.sides
    require_unchanged(_find_changed(conflict, job))
    find = find_in_heads(item, (sides.ours, sides.theirs), SIDE_LABELS, job.top)
    context = job.context._replace(find_companions=find)
    merged = merge_files(item, chooser(item, context), MergeSettings(), context)
    if not merged.result.left:
        require_unchanged(_find_changed_index(conflict, merged, job.top))
        _write_files(item.mode, merged, job)
        drop_rescheduled(job.repository.git_dir)
    return merged.result


def require_unchanged(changed: str) -> None:
    """Raise UsageError for a file with something of the person's own to lose; "" for none."""
    if changed:
        raise UsageError(
            f"{changed} was changed since the merge, and settling would overwrite that",
            hint="Keep it elsewhere, or commit by hand what you have: git add.",
        )


def _find_changed(conflict: CheckpointConflict, job: SettlingJob) -> str:
    """A file of the checkpoint with something of the person's own to lose, its index in conflict aside; "" for none."""
    whole, in_conflict = conflict.item.checkpoint, {file.path: file for file in conflict.unmerged}
    assert whole
    for path in sorted(whole.paths - {conflict.path} if conflict.path in in_conflict else whole.paths):
        file = find_regular_file(job.top, path)
        if claims_manifest(file) if file else not os.path.lexists(job.top / path):
            continue
        if path not in in_conflict:
            wanted = any(path in version.shards or path == conflict.path for version in whole.heads)
            if differs_from_index(path, job.top) if is_indexed(path, job.top) else wanted:
                return path
            continue
        here = clean_worktree_file(path, job.top, job.context)
        known = _list_known_files(in_conflict[path], whole, job.repository)
        if here is None or not any(is_same_file(here, one) for one in known):
            return path
    return ""


def _find_changed_index(conflict: CheckpointConflict, merged: MergedFiles, top: Path) -> str:
    """The index where it is in conflict and the person has edited it; else "". It is known late what we write there."""
    wanted = merged.texts().get(conflict.path)
    mine = [file for file in conflict.unmerged if file.path == conflict.path]
    return "" if all(is_index_untouched(file, top, wanted) for file in mine) else conflict.path


def _list_known_files(file: UnmergedFile, whole: CheckpointPlan, repository: Repository) -> Collection[Manifest]:
    """What a file may hold that the person did not make: what a side has, and what the driver wrote."""
    found = read_conflict(file, repository)
    written = [found.conflict.note.file] if found and found.conflict.note else []
    versions = [version for version in (*whole.heads, whole.base) if version]
    return [*written, *(version.shards[file.path] for version in versions if file.path in version.shards)]


def _write_files(mode: str, merged: MergedFiles, job: SettlingJob) -> None:
    """Worktree, then index, then the tensors: stopped at any point, it is all to be done again, and nothing is lost."""
    top, texts = job.top, merged.texts()
    require_room(sum(manifest.size for manifest in merged.manifests.values()), top)
    for path, text in texts.items():
        if text is None:
            if is_indexed(path, top):  # else it is a file of the person's own
                (top / path).unlink(missing_ok=True)
        else:
            atomic.replace_file(top / path, text, scratch=job.repository.theta_dir / "tmp")
    stage_contents(texts, mode, top)
    _tell_git({path: text for path, text in texts.items() if text is not None and path not in merged.manifests}, top)
    with job.progress.show_work("Restoring", sum(manifest.size for manifest in merged.manifests.values())):
        deferred = DeferredFiles(top, job.context, job.report)
        for path, manifest in merged.manifests.items():
            deferred.add(path, manifest, texts[path] or b"")
        deferred.write(WorktreeIndex(top), job.progress.begin_item)


def _tell_git(texts: Mapping[str, bytes], top: Path) -> None:
    """Have Git know files that are written and staged as they are: it gives up no merge of files that it distrusts."""
    with suppress(GitError, OSError):  # it looks into them at the next status
        WorktreeIndex(top).record_written(
            {path: WrittenFile(text, (top / path).lstat()) for path, text in texts.items()}
        )
