"""A conflict settled a little further, from the stages in the index; and what a person should see before choosing."""

from __future__ import annotations

import os
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.merging.agreement import HeadChanges, is_measurable, measure_changes
from git_theta.merging.base import Contest
from git_theta.merging.contests import contest_of
from git_theta.merging.planning.decisions import Decision
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.conflicts import Conflict, is_same_file
from git_theta.operations.merging.merge_results import Choose, ContestedDecision, MergeResult, MergeSettings
from git_theta.operations.streams import Stream
from git_theta.operations.worktree_files import claims_manifest, find_regular_file
from git_theta.parameters.value_decoding import read_values


def resolve_conflict(conflict: Conflict, choose: Choose, settings: MergeSettings, context: Context) -> MergeResult:
    """The file with what ``choose`` settles of what is contested; see ``apply_plan`` for the rest."""
    return apply_plan(conflict.settled_plan, choose, settings, context, conflict.before)


def find_left(conflict: Conflict, context: Context) -> tuple[ContestedDecision, ...]:
    """What is still contested, the frame too."""
    return resolve_conflict(conflict, _choose_nothing, MergeSettings(), context).left


def is_untouched(conflict: Conflict, path: str, worktree: Path, context: Context) -> bool:
    """Whether the worktree has nothing of its own to lose: no file, a manifest, ours, or what the merge wrote."""
    file = find_regular_file(worktree, path)
    if not os.path.lexists(worktree / path) or (file and claims_manifest(file)):
        return True
    here = clean_worktree_file(path, worktree, context)
    if here is None:
        return False
    written = (
        conflict.note.file
        if conflict.note
        else resolve_conflict(conflict, _choose_nothing, MergeSettings(), context).manifest
    )
    return is_same_file(here, written) or is_same_file(here, conflict.settled_plan.heads[0])


def may_be_computed(decision: Decision, context: Context) -> bool:
    """Whether numbers can be made of the sides of a contested parameter. Reads none of them."""
    return _find_measurable(decision, context) is not None


def measure_sides(decision: Decision, context: Context) -> HeadChanges | None:
    """How far the two sides moved a contested parameter, in fp64, streamed; None where it cannot be computed with."""
    found = _find_measurable(decision, context)
    if found is None:
        return None
    require_entries((entry for held in (*decision.heads, decision.base) for entry in held), context)
    return measure_changes(found)


def _find_measurable(decision: Decision, context: Context) -> Contest | None:
    found = contest_of(decision, lambda entry: read_values(entry, context.store, map))
    return None if found is None or None in found.branches or not is_measurable(found) else found


def _choose_nothing(_: Decision) -> None:
    """Chooses nothing."""


def clean_worktree_file(path: str, worktree: Path, context: Context) -> Manifest | None:
    """The manifest of what the worktree has; None for what has none. What was there is in the store then."""
    file = find_regular_file(worktree, path)
    if file is None:
        return None
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return decode_manifest(clean_stream(Stream(lambda view: os.readv(descriptor, [view])), path, worktree, context))
    except ManifestError:
        return None
    finally:
        os.close(descriptor)
