"""A conflict settled a little further, from the stages in the index; and what a person should see before choosing."""

from __future__ import annotations

import os
from pathlib import Path

from git_theta import parameters
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import loads
from git_theta.merging.agreement import HeadChanges, is_measurable, measure_changes
from git_theta.merging.contests import contest
from git_theta.merging.trivial import Decision
from git_theta.operations.clean import clean
from git_theta.operations.conflicts import Conflict, same_file
from git_theta.operations.content import Stream
from git_theta.operations.desk import Desk
from git_theta.operations.merge import Choose, Merged, Settings, merge
from git_theta.operations.presence import require
from git_theta.operations.survey import claims_manifest, regular


def resolve(conflict: Conflict, choose: Choose, settings: Settings, desk: Desk) -> Merged:
    """The file with what ``choose`` settles of what is contested; see ``operations.merge.merge`` for the rest."""
    return merge(conflict.made, choose, settings, desk, conflict.computed)


def untouched(conflict: Conflict, path: str, worktree: Path, desk: Desk) -> bool:
    """Whether the worktree has nothing of its own to lose: no file, a manifest, ours, or what the merge wrote."""
    file = regular(worktree, path)
    if not os.path.lexists(worktree / path) or (file and claims_manifest(file)):
        return True
    here = _cleaned(path, worktree, desk)
    if here is None:
        return False
    written = conflict.note.file if conflict.note else resolve(conflict, _nothing, Settings(), desk).manifest
    return same_file(here, written) or same_file(here, conflict.made.heads[0])


def changes(decision: Decision, desk: Desk) -> HeadChanges | None:
    """How far the two sides moved a contested parameter, in fp64, streamed; None where it cannot be computed with."""
    found = contest(decision, lambda entry: parameters.read(entry, desk.store, map))
    if found is None or None in found.branches or not is_measurable(found):
        return None
    require((entry for held in (*decision.heads, decision.base) for entry in held), desk)
    return measure_changes(found)


def _nothing(_: Decision) -> None:
    """Chooses nothing."""


def _cleaned(path: str, worktree: Path, desk: Desk) -> Manifest | None:
    """The manifest of what the worktree has; None for what has none. What was there is in the store then."""
    file = regular(worktree, path)
    if file is None:
        return None
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return loads(clean(Stream(lambda view: os.readv(descriptor, [view])), path, worktree, desk))
    except ManifestError:
        return None
    finally:
        os.close(descriptor)
