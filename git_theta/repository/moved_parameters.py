"""What Git's driver is shown of one shard, with what came from the shard's siblings, or went to them.

Git calls the driver file by file, and says of no file which versions it is compared at. Where `git diff` itself is our
parent, its arguments tell; that the file is among what differs between these versions proves that they were understood.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from git_theta.diffing.base import Change, ChangeStatus, Comparison, ParameterVersion
from git_theta.errors import ThetaError
from git_theta.operations.context import Context
from git_theta.repository.changed_files import compare_files, read_sides
from git_theta.repository.sharded_versions import is_shard
from git_theta.repository.sibling_shards import find_siblings
from git_theta.vcs.parent_process import compared_words
from git_theta.vcs.raw_diff import FilePair, FileVersion, VersionRange, changed_files, range_among

_PlaceKey = tuple[str, str]
"""The path of a shard, and the name of a parameter in it."""


def tell_moves(comparison: Comparison, pair: FilePair, top: Path | None, context: Context) -> Comparison:
    """The comparison of one file, in which no parameter is added or removed that a sibling had or has, unchanged.

    The same comparison where the file is no shard, and where it is not known what Git compares.
    """
    path = next(version.path for version in (pair.after, pair.before) if version)
    come_or_gone = (ChangeStatus.ADDED, ChangeStatus.REMOVED)
    if not any(change.status in come_or_gone for change in comparison.changes) or not is_shard(path, top):
        return comparison
    moves: list[Change] = []
    with suppress(ThetaError):  # what was compared cannot be told, or not be read: the file alone can
        moves = _find_moves(path, pair, range_among(compared_words(), top), top, context)
    before = {key: change for change in moves if (key := _key_of(change.before))}
    after = {key: change for change in moves if (key := _key_of(change.after))}
    return comparison._replace(changes=tuple([_replace_change(change, before, after) for change in comparison.changes]))


def _find_moves(path: str, pair: FilePair, span: VersionRange, top: Path | None, context: Context) -> list[Change]:
    """The parameters that are, unchanged, in files of other names; none where the file is not compared so.

    Those in shards of one number, where only how many there are changed, have not moved.
    """
    pairs = [one for one in changed_files(span, cwd=top, unread=True) if _is_beside(path, one)]
    if not all(_is_among(version, (one[side] for one in pairs)) for side, version in enumerate(pair[:2])):
        return []
    files = read_sides(pairs, top, context)
    related = find_siblings(files, span, top, all_asked=True)
    whole = compare_files(files, related.indexes, related.unchanged)
    changes = (change for comparison in whole.comparisons for change in comparison.changes)
    return [change for change in changes if change.status in (ChangeStatus.MOVED, ChangeStatus.UNCHANGED)]


def _is_beside(path: str, pair: FilePair) -> bool:
    folder = posixpath.dirname(path)
    return not pair.unmerged and any(
        version and posixpath.dirname(version.path) == folder for version in (pair.before, pair.after)
    )


def _is_among(version: FileVersion | None, versions: Iterable[object]) -> bool:
    known = ((one.path, one.oid) for one in versions if isinstance(one, FileVersion))
    return version is None or (version.path, version.oid) in known


def _key_of(place: ParameterVersion | None) -> _PlaceKey | None:
    return place and (place.path, place.name)


def _replace_change(change: Change, before: Mapping[_PlaceKey, Change], after: Mapping[_PlaceKey, Change]) -> Change:
    if change.status is ChangeStatus.REMOVED and change.before:
        return before.get((change.before.path, change.before.name), change)
    if change.status is ChangeStatus.ADDED and change.after:
        return after.get((change.after.path, change.after.name), change)
    return change
