"""A conflict settled a little further, from the stages in the index; and what a person should see before choosing."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import loads
from git_theta.merging.checks import is_floating
from git_theta.merging.contests import contest
from git_theta.merging.decisions import Decision
from git_theta.merging.reductions import products
from git_theta.operations.adding.clean import clean
from git_theta.operations.availability import require
from git_theta.operations.context import Desk
from git_theta.operations.merging.apply_plan import Choose, Merged, Settings, merge
from git_theta.operations.merging.conflicts import Conflict, same_file
from git_theta.operations.streams import Stream
from git_theta.operations.worktree_files import claims_manifest, regular


class Changes(NamedTuple):
    """How far each side moved a parameter: since the merge base, or from zero where there is none.

    Attributes:
        since_base: whether there is one.
        ours, theirs: Euclidean norms of the changes.
        cosine: of the two changes; NaN where one of them is zero.
    """

    since_base: bool
    ours: float
    theirs: float
    cosine: float


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


def changes(decision: Decision, desk: Desk) -> Changes | None:
    """How far the two sides moved a contested parameter, in fp64, streamed; None where it cannot be computed with."""
    found = contest(decision, lambda entry: parameters.read(entry, desk.store, map))
    if found is None or None in found.branches:
        return None
    sides = [branch for branch in found.branches if branch is not None]
    if len({side.spec for side in sides}) > 1 or not is_floating(found.spec.dtype):
        return None
    require((entry for held in (*decision.heads, decision.base) for entry in held), desk)
    inner = products(found, sides, found.base)
    ours, theirs = math.sqrt(inner[0, 0]), math.sqrt(inner[1, 1])
    cosine = inner[0, 1] / (ours * theirs) if ours and theirs else math.nan
    return Changes(found.base is not None, ours, theirs, cosine)


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
