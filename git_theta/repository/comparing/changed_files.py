"""The files that differ: checkpoints are compared, other changes become remarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from git_theta.checkpoints.shards import CheckpointPair, Shard, group_checkpoints
from git_theta.diffing.base import Change, ChangeStatus, Comparison
from git_theta.diffing.compare import compare_checkpoint
from git_theta.errors import GitError
from git_theta.manifest.text import MAX_MANIFEST, is_manifest
from git_theta.operations.comparing.diff_sides import Side, side_of_blob, side_of_worktree
from git_theta.operations.context import Context
from git_theta.vcs.attribute_files.filtered_files import filtered_paths
from git_theta.vcs.blob_losses import name_file
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.raw_diff import FilePair, FileVersion

_START_SIZE = 1 << 20
"""Bytes by which a raw file is told."""
_NO_INDEXES: Mapping[str, bytes] = MappingProxyType({})


class FileSides(NamedTuple):
    """A file at both versions; None where it was not there."""

    before: Side | None
    after: Side | None

    @property
    def paths(self) -> tuple[str, str]:
        """Before and after."""
        sides = [side for side in self if side]
        return sides[0].path, sides[-1].path

    @property
    def comparable(self) -> bool:
        """Whether every version that is there is a manifest that we can read."""
        return all(side.manifest for side in self if side)


class Remark(NamedTuple):
    """What no comparison says of a file: paths before and after, in Git's words or ours; what helps."""

    paths: tuple[str, str]
    lines: tuple[str, ...]
    hint: str = ""


class Differences(NamedTuple):
    """Comparisons of checkpoints, and remarks. A file may have one of each."""

    comparisons: tuple[Comparison, ...]
    remarks: tuple[Remark, ...]


def read_sides(
    pairs: Sequence[FilePair], top: Path | None, context: Context, *, everything: bool = False
) -> list[FileSides]:
    """Both sides of those pairs that are checkpoints, or claim to be one, at either version.

    Blobs are taken as Git has them, files of the worktree (below ``top``) as Git would have them. What one version
    holds as it is, committed without us, is laid out as it would be stored, as in merges.

    Args:
        pairs: files that differ.
        top: of the worktree; None in a bare repository.
        context: what to work with.
        everything: take all pairs for checkpoints.
    """
    versions = [version for pair in pairs for version in _versions_of(pair) if version.is_regular]
    held = [(one.path, one.oid) for one in versions if one.oid]
    try:
        manifests = read_wanted_blobs((oid for _, oid in held), is_manifest, MAX_MANIFEST, top)
    except GitError as error:
        raise name_file(error, held) from error.__cause__
    cleaned = set(filtered_paths([one.path for one in versions if not one.oid], top)) if top else set()

    def ours(pair: FilePair) -> bool:
        return any(one.oid in manifests if one.oid else one.path in cleaned for one in _versions_of(pair))

    chosen = [pair for pair in pairs if everything or ours(pair)]
    raw = {one.oid for pair in chosen for one in _versions_of(pair) if one.oid and one.is_regular} - manifests.keys()
    blobs = manifests | {
        oid: data[:_START_SIZE] for oid, data in read_wanted_blobs(raw, lambda _: True, MAX_MANIFEST, top).items()
    }

    def side(version: FileVersion | None) -> Side | None:
        if version is None:
            return None
        if top and not version.oid and version.path in cleaned:
            return side_of_worktree(version.path, version.mode, top, context)
        data = blobs.get(version.oid) if version.oid else _read_start(version, top)
        return side_of_blob(version.path, version.mode, data)

    return [_adopt_raw(FileSides(side(pair.before), side(pair.after)), pair, top, context) for pair in chosen]


def _adopt_raw(sides: FileSides, pair: FilePair, top: Path | None, context: Context) -> FileSides:
    """The same, by parameters, of a file that one version holds as it is, committed without us."""
    if sides.comparable or not any(side and side.manifest for side in sides):
        return sides
    return FileSides(*(_adopt_side(side, version, top, context) for side, version in zip(sides, pair[:2], strict=True)))


def _adopt_side(side: Side | None, version: FileVersion | None, top: Path | None, context: Context) -> Side | None:
    if side is None or version is None or side.manifest or not version.is_regular:
        return side
    if version.oid:
        from git_theta.repository.comparing.file_layouts import adopt_raw_blob  # as seldom as that

        return side._replace(manifest=adopt_raw_blob(side.path, version.oid, top, context))
    return side_of_worktree(side.path, side.mode, top, context, adopt=True)._replace(what=side.what) if top else side


def _versions_of(pair: FilePair) -> list[FileVersion]:
    return [version for version in (pair.before, pair.after) if version]


def compare_files(
    files: Iterable[FileSides],
    context: Context,
    indexes: Mapping[str, bytes] = _NO_INDEXES,
    unchanged: Sequence[Shard] = (),
) -> Differences:
    """Compare the checkpoints among these files, and remark on what no comparison shows.

    Args:
        files: at both versions.
        context: what to work with, where versions are in different layouts.
        indexes: contents of indexes of shards, by path.
        unchanged: further shards of the checkpoints that they belong to, the same at both versions.
    """
    files = tuple(files)
    same = [file for file in files if file.comparable]
    renames = {before: after for before, after in (file.paths for file in same) if before != after}
    groups = group_checkpoints(
        [*(Shard(one.before.path, one.before.manifest) for one in same if one.before and one.before.manifest),
         *unchanged],
        [*(Shard(one.after.path, one.after.manifest) for one in same if one.after and one.after.manifest),
         *unchanged],
        indexes, renames,
    )  # fmt: skip
    remarks = [_remark_on(file) for file in files]
    comparisons = [compare_checkpoint(*_unify_pair(group, context)) for group in groups]
    return Differences(tuple(comparisons), tuple(filter(None, remarks)))


def _unify_pair(pair: CheckpointPair, context: Context) -> CheckpointPair:
    """The same, in one layout: one version, or a shard, may have been added before its format was known."""
    if len({shard.manifest.format for shard in (*pair[1], *pair[2])}) < 2:
        return pair
    from git_theta.operations.adding.layouts_alike import unify_pair  # as seldom as that

    return unify_pair(pair, context)


def bytes_to_measure(comparisons: Iterable[Comparison], keep: Callable[[Change], bool] = lambda _: True) -> int:
    """Bytes of values there are to read, to measure every change that is kept."""
    return sum(
        place.entry.size
        for comparison in comparisons
        for change in comparison.changes
        if change.status in (ChangeStatus.CHANGED, ChangeStatus.SPEC, ChangeStatus.ADDED, ChangeStatus.REMOVED)
        and keep(change)
        for place in (change.before, change.after)
        if place
    )


def _read_start(version: FileVersion, top: Path | None) -> bytes | None:
    """The start of a worktree's file that Git holds as it is."""
    if top is None or not version.is_regular:
        return None
    with (top / version.path).open("rb") as file:
        return file.read(_START_SIZE)


def _remark_on(file: FileSides) -> Remark | None:
    before, after = file
    lines: list[str] = []
    if before and after and before.mode != after.mode:
        lines += [f"old mode {before.mode}", f"new mode {after.mode}"]
    if before and after and before.path != after.path and before.manifest == after.manifest:
        lines += [f"rename from {before.path}", f"rename to {after.path}"]
    if not file.comparable or any(side.what for side in file if side):
        lines += [f"before: {_describe_side(before)}", f"after: {_describe_side(after)}"]
    hint = next((side.hint for side in file if side and side.hint), "")
    return Remark(file.paths, tuple(lines), hint) if lines else None


def _describe_side(side: Side | None) -> str:
    if side is None:
        return "not there"
    return side.what or f"{side.manifest.format if side.manifest else ''} checkpoint, stored by parameters"
