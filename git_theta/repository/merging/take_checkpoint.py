"""A checkpoint of several files that one side removed, or moved elsewhere, taken from a side: all files at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.merging.planning.decisions import BASE, SIDES
from git_theta.operations.context import Context
from git_theta.operations.merging.conflict_resolution import clean_worktree_file
from git_theta.operations.merging.conflicts import is_same_file
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict
from git_theta.repository.merging.contested_index import is_index_untouched
from git_theta.repository.merging.settle_checkpoint import require_unchanged
from git_theta.repository.merging.settling import SettlingJob
from git_theta.vcs.git import git
from git_theta.vcs.index import differs_from_index, is_indexed
from git_theta.vcs.merges.unmerged import UnmergedFile, read_stages, take_files


class TakenCheckpoint(NamedTuple):
    """What became of it: the side that it is as at ("" while it is contested), and whether there is none there."""

    side: str
    removed: bool


def take_checkpoint(conflict: CheckpointConflict, side: str, job: SettlingJob) -> TakenCheckpoint:
    """Write and stage all files of a checkpoint as a side has them.

    Args:
        conflict: the checkpoint in conflict; its plan decides about it as one.
        side: "ours", "theirs" or "base", where it is contested; "" leaves it so. Git takes one that a side only stored
            anew for changed: that is none.
        job: what to work with.

    Raises UsageError where a file was changed since the merge.
    """
    item, sides = conflict.item, conflict.sides
    source = SIDES.get(side) if item.source is None else item.source
    if source is None:
        return TakenCheckpoint("", removed=False)
    name = next(name for name, number in SIDES.items() if number == source)
    files = item.files_at(source)
    kept = [path for path, file in files.items() if file]
    require_unchanged(_find_changed(conflict, kept, job.top, job.context))
    commit = sides.base or sides.ours if source == BASE else (sides.ours, sides.theirs)[source]
    take_files(commit, kept, [path for path in files if path not in kept], job.top)
    return TakenCheckpoint(name, removed=not kept)


def _find_changed(conflict: CheckpointConflict, kept: list[str], top: Path, context: Context) -> str:
    """A file of the checkpoint with something of the person's own to lose; "" for none."""
    unmerged = {file.path: file for file in conflict.unmerged}
    for path in sorted(conflict.item.paths):
        file = find_regular_file(top, path)
        if file is None:
            if os.path.lexists(top / path):
                return path
        elif path in unmerged:
            if not _is_of_a_side(file, unmerged[path], top, context):
                return path
        elif differs_from_index(path, top) if is_indexed(path, top) else path in kept:
            return path
    return ""


def _is_of_a_side(file: Path, unmerged: UnmergedFile, top: Path, context: Context) -> bool:
    """Whether the worktree has of a file in conflict what some side has; of an index, what Git made of those."""
    if claims_manifest(file):
        return True
    if is_index(unmerged.path):
        return is_index_untouched(unmerged, top)
    here = clean_worktree_file(unmerged.path, top, context)
    if here is None:
        return git("hash-object", "--path", unmerged.path, file, cwd=top).decode().strip() in unmerged.oids
    stages = read_stages(unmerged, is_manifest, MAX_MANIFEST)
    return any(is_same_file(here, decode_manifest(text)) for _, text in stages)
