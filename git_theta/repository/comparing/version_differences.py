"""Which checkpoints differ between two versions: comparisons, and remarks on files that cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_theta.diffing.base import Change
from git_theta.globs import name_matcher
from git_theta.operations.context import Context
from git_theta.repository.comparing.changed_files import Differences, Remark, compare_files, read_sides
from git_theta.repository.comparing.sibling_shards import find_siblings
from git_theta.vcs.discovery import Repository
from git_theta.vcs.raw_diff import VersionRange, changed_files

ChangeMatcher = Callable[[Change], bool]
"""Whether a change was asked for."""

_IN_CONFLICT = ("in conflict: see git theta status",)


def find_differences(
    span: VersionRange, pathspecs: Sequence[str], repository: Repository, context: Context
) -> tuple[Differences, int]:
    """What differs, and how many files that are no checkpoints do.

    Args:
        span: the versions.
        pathspecs: Git's, relative to the current folder; none for all files. Of a shard, all of its checkpoint counts.
        repository: that of the current folder.
        context: what to work with.

    Raises UsageError for what is no revision.
    """
    top = repository.worktree
    listed = changed_files(span, pathspecs)
    merged = [pair for pair in listed if not pair.unmerged]
    files = read_sides(merged, top, context)
    related = find_siblings(files, span, top, all_asked=not pathspecs)
    more = read_sides(related.differing, top, context)
    found = compare_files([*files, *more], context, related.indexes, related.unchanged)
    conflicts = [Remark((pair.unmerged, pair.unmerged), _IN_CONFLICT) for pair in listed if pair.unmerged]
    return Differences(found.comparisons, (*found.remarks, *conflicts)), len(merged) - len(files)


def change_matcher(globs: Sequence[str]) -> ChangeMatcher:
    """Whether a parameter is called so, at either version. Raises UsageError for what is no glob."""
    matches = name_matcher(globs)
    return lambda change: any(map(matches, change.names))
