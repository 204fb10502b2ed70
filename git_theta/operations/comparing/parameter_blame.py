"""For each parameter of a checkpoint, the commit that last changed it, from manifests alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple

from git_theta.checkpoints.shards import shard_number
from git_theta.diffing.base import SAME_VALUES, ChangeStatus, ParameterVersion
from git_theta.operations.comparing.history_reader import C, Diff, EditLike, HistoryReader


class ParameterBlame(NamedTuple, Generic[C]):
    """A parameter, the commit that last changed it, and path and name that it had there."""

    place: ParameterVersion
    commit: C
    path: str
    name: str


_Suspects = dict[int, tuple[str, str]]
"""Which parameters a commit may have changed, and path and name of each there."""


def blame_parameters(
    places: Sequence[ParameterVersion], commits: Iterable[C], diff: Diff, reader: HistoryReader
) -> list[ParameterBlame[C]]:
    """Who last changed these parameters of the first commit, in their order.

    Args:
        places: the parameters.
        commits: from the first on, none before all its children; no more of them are taken than are needed.
        diff: with renames.
        reader: reads the versions.

    A parent that has the same values gets the blame, the first of several; so renamed files are followed, and
    parameters of the same bytes, dtype and shape that were renamed or moved to another shard.
    """
    suspects: _Suspects = {index: (place.path, place.name) for index, place in enumerate(places)}
    waiting: dict[str, _Suspects] | None = None
    found: dict[int, ParameterBlame[C]] = {}
    for commit in commits:
        if waiting is not None:
            suspects = waiting.pop(commit.oid, {})
        waiting = waiting or {}
        for parent in commit.parents if suspects else ():
            passed = _pass_blame(suspects, diff(commit.oid, parent), reader, (commit.oid, parent))
            taken = waiting.setdefault(parent, {})
            taken.update((index, place) for index, place in passed.items() if index not in taken)
            suspects = {index: place for index, place in suspects.items() if index not in passed}
        found.update((index, ParameterBlame(places[index], commit, *place)) for index, place in suspects.items())
        if len(found) == len(places):
            break
    return [found[index] for index in range(len(places))]


def _pass_blame(
    suspects: _Suspects, edits: Sequence[EditLike], reader: HistoryReader, versions: tuple[str, str]
) -> _Suspects:
    """Those that the parent has too, and where. ``versions``: the commit and the parent."""
    paths = {path for path, _ in suspects.values()}
    wholes = [reader.checkpoints.find_checkpoint(path, *versions) for path in paths] if edits else []
    siblings = {path for whole in wholes if whole for path in whole.paths}
    relevant = [edit for edit in edits if _may_concern(edit, paths, siblings)]
    files = {edit.after.path: edit.before.path if edit.before else None for edit in relevant if edit.after}
    origins, opaque = _find_origins(reader, relevant, versions)
    passed = {}
    for index, (path, name) in suspects.items():
        if (path, name) in origins:
            was = origins[path, name]
        elif path in opaque:
            was = None
        else:
            file = files.get(path, path)
            was = (file, name) if file else None
        if was:
            passed[index] = was
    return passed


def _may_concern(edit: EditLike, paths: set[str], siblings: set[str]) -> bool:
    """Whether parameters of these files may have come from there: within a checkpoint of shards they move."""
    if edit.after and edit.after.path in paths:
        return True
    if any(side and side.path in siblings for side in (edit.before, edit.after)):
        return True
    return any(map(shard_number, paths)) and bool(edit.after is None or shard_number(edit.after.path))


_Origins = dict[tuple[str, str], tuple[str, str] | None]
"""Path and name of what differs, to what the parent calls the same values; None for values that it lacks."""


def _find_origins(
    reader: HistoryReader, edits: Sequence[EditLike], versions: tuple[str, str]
) -> tuple[_Origins, set[str]]:
    """Where what differs comes from; and the files that differ and tell no parameters, as they cannot be laid out."""
    found: _Origins = {}
    opaque: set[str] = set()
    for one in reader.compare_edits(edits, *versions, split=True):
        opaque |= {shard.path for shard in one.after if shard.manifest.is_opaque}
        for change in one.changes:
            if change.after:
                same = change.before and change.status in SAME_VALUES
                for name in (change.after.name, *change.also):
                    was = change.before.name if change.status is ChangeStatus.RENAMED and change.before else name
                    found[change.after.path, name] = (change.before.path, was) if same and change.before else None
    return found, opaque
