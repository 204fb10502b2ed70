"""A file in conflict settled as far as it was chosen, and written: to the worktree, and to the index or the notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import dumps
from git_theta.operations.context import Desk, Progress
from git_theta.operations.merging.apply_plan import Choose, Merged, Settings
from git_theta.operations.merging.conflict_resolution import resolve, untouched
from git_theta.operations.merging.conflicts import Conflict, Stages, forget, keep, note_of
from git_theta.operations.restoring.deferred import Deferred
from git_theta.operations.restoring.materialise import materialise, require_room
from git_theta.operations.restoring.restore import require_objects
from git_theta.repository.open_conflicts import opened
from git_theta.repository.opening import conflicts_of, open_desk, refresh
from git_theta.vcs import atomic, index
from git_theta.vcs.discovery import Repository
from git_theta.vcs.unmerged import Unmerged, stage

Report = Callable[[ThetaError], None]
"""Says an error that does not keep other files from being settled; the exit code tells of it."""


class ConflictJob(NamedTuple):
    """A file in conflict, and who chooses for it (given its conflict)."""

    file: Unmerged
    repository: Repository
    top: Path
    chooser: Callable[[Conflict, Desk], Choose]
    warn: Callable[[str], None]
    progress: Progress


def settle_file(job: ConflictJob, report: Report) -> Merged | None:
    """One file settled as far as it was chosen, and written; None where Git alone can tell what is in conflict."""
    conflict = opened(job.file, job.repository)
    if conflict is None:
        return None
    top = job.top
    with open_desk(job.repository, job.warn) as desk:
        if not untouched(conflict, job.file.path, top, desk):
            raise UsageError(
                "the file was changed since the merge, and settling would overwrite that",
                hint=f"Keep it: git add. Or start over: git checkout --merge -- {os.path.relpath(top / job.file.path)}",
            )
        merged = resolve(conflict, job.chooser(conflict, desk), Settings(), desk)
        require_objects(merged.manifest, desk)
    if merged.applied or not merged.left:
        _write(job, merged, report)
    return merged


def _write(job: ConflictJob, merged: Merged, report: Report) -> None:
    """The worktree's file; then what is left is noted, or the file is staged."""
    path, top, text = job.file.path, job.top, dumps(merged.manifest)
    stages, notes = Stages(*job.file.texts), conflicts_of(job.repository)
    require_room(merged.manifest.size, top)
    with (
        job.progress.during("Restoring", merged.manifest.size),
        open_desk(job.repository, job.warn, job.progress) as desk,
    ):
        # First of all a manifest: stopped at any point, we know by it that nothing of the person's is in the file.
        atomic.replace(top / path, text)
        if merged.left:
            keep(note_of(path, merged), stages, notes)
            materialise(merged.manifest, text, top / path, desk)
        else:
            stage(path, job.file.mode, text, top)
            forget(path, stages, notes)
            deferred = Deferred(top, desk, report)
            deferred.add(path, merged.manifest, text)
            _checked_out(deferred, top)


def _checked_out(deferred: Deferred, top: Path) -> None:
    deferred.write(partial(refresh, top), partial(index.distrust, worktree=top))
