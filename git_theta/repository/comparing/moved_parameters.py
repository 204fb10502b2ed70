"""What Git's driver is shown of one shard, with what came from the shard's siblings, or went to them.

Git calls the driver file by file, and says of no file which versions it is compared at. Where `git diff` itself is our
parent, its arguments tell; that the file is among what differs between these versions proves that they were understood.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from git_theta.diffing.base import Change, ChangeStatus, Comparison, ParameterVersion
from git_theta.diffing.compare import compare_checkpoint
from git_theta.errors import ThetaError
from git_theta.operations.context import Context
from git_theta.repository.comparing.changed_files import compare_files, read_sides
from git_theta.repository.comparing.sharded_versions import is_shard
from git_theta.repository.comparing.sibling_shards import find_siblings
from git_theta.vcs.callers.parent_diff import compared_words
from git_theta.vcs.raw_diff import FilePair, FileVersion, VersionRange, changed_files, range_among

_PlaceKey = tuple[str, str]
"""The path of a shard, and the name of a parameter in it."""


def tell_moves(comparison: Comparison, pair: FilePair, top: Path | None, context: Context) -> Comparison:
    """The comparison of one file, in which no parameter is added or removed that a sibling had or has, unchanged.

    One that is kept whole, and its siblings are not, is compared as they are. The same comparison where the file is no
    shard, and where it is not known what Git compares.
    """
    path = next(version.path for version in (pair.after, pair.before) if version)
    come_or_gone = (ChangeStatus.ADDED, ChangeStatus.REMOVED)
    opaque = any(shard.manifest.is_opaque for shard in (*comparison.before, *comparison.after))
    come = any(change.status in come_or_gone for change in comparison.changes)
    if not (come or opaque) or not is_shard(path, top):
        return comparison
    whole: list[Comparison] = []
    with suppress(ThetaError):  # what was compared cannot be told, or not be read: the file alone can
        whole = _compare_whole(path, pair, range_among(compared_words(), top), top, context)
    if opaque and whole:
        comparison = _compare_again(comparison, whole)
    changes = (change for one in whole for change in one.changes)
    # Those in shards of one number, where only how many there are changed, have not moved.
    moves = [change for change in changes if change.status in (ChangeStatus.MOVED, ChangeStatus.UNCHANGED)]
    before = {key: change for change in moves if (key := _key_of(change.before))}
    after = {key: change for change in moves if (key := _key_of(change.after))}
    return comparison._replace(changes=tuple([_replace_change(change, before, after) for change in comparison.changes]))


def _compare_again(comparison: Comparison, whole: Sequence[Comparison]) -> Comparison:
    """The same files, as they were laid out when the checkpoint was compared as a whole."""
    were = {shard.path: shard for one in whole for shard in one.before}
    are = {shard.path: shard for one in whole for shard in one.after}
    before = [were.get(shard.path, shard) for shard in comparison.before]
    return compare_checkpoint(comparison.path, before, [are.get(shard.path, shard) for shard in comparison.after])


def _compare_whole(
    path: str, pair: FilePair, span: VersionRange, top: Path | None, context: Context
) -> list[Comparison]:
    """The checkpoints around a file, compared as Git compares it; none where it is not compared so."""
    pairs = [one for one in changed_files(span, cwd=top, unread=True) if _is_beside(path, one)]
    if not all(_is_among(version, (one[side] for one in pairs)) for side, version in enumerate(pair[:2])):
        return []
    files = read_sides(pairs, top, context)
    related = find_siblings(files, span, top, all_asked=True)
    return list(compare_files(files, context, related.indexes, related.unchanged).comparisons)


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
