"""Two versions of a checkpoint to their changes, on ids alone (L8): pure, and without numpy.

A parameter changed when the id of its bytes did (L3). Names that share bytes change together, also where they are
windows on different stretches of them: which stretch changed, ids cannot tell.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence

from git_theta.checkpoints.shards import Shard, shard_number
from git_theta.diffing.base import Change, ChangeStatus, Comparison, ParameterVersion
from git_theta.diffing.pairing import ParameterPair, pair_parameters, values_key, window_of


def compare_checkpoint(path: str, before: Sequence[Shard], after: Sequence[Shard]) -> Comparison:
    """What changed in the checkpoint that people call ``path``.

    Args:
        path: its file, or the index of its shards.
        before: its files then; () where it was not there.
        after: its files now, as many or not.

    ``rest_changed`` of the result says whether literal bytes, order or format differ. Most formats list names and
    shapes in those bytes, some checksums of values: whether anything else differs, ids cannot tell (``build_report``
    can).
    """
    pairs = pair_parameters(_parameters_of(before), _parameters_of(after))
    changes = _group_changes(pairs, _choose_numbering(before, after))
    return Comparison(path, tuple(before), tuple(after), tuple(changes), _is_rest_changed(before, after))


def _parameters_of(shards: Iterable[Shard]) -> Iterator[ParameterVersion]:
    """Every name of every parameter, those that share an entry one after the other."""
    for path, manifest in shards:
        for entry in manifest.parameters():
            own = entry.name or ""
            yield ParameterVersion(path, own, entry)
            yield from (ParameterVersion(path, view.name, entry, view) for view in entry.views if view.name != own)


def _choose_numbering(before: Sequence[Shard], after: Sequence[Shard]) -> Callable[[str], str]:
    """Which shard a file is, however many there are: by number, or, of several that only an index tells, by name."""
    if len(before) > 1 and len(after) > 1:
        return lambda path: shard_number(path) or posixpath.basename(path)
    return shard_number


def _group_changes(pairs: Iterable[ParameterPair], number: Callable[[str], str]) -> Iterator[Change]:
    """The changes; names that went from one entry to one other are together. ``number``: which shard a file is."""
    tied: dict[object, list[ParameterPair]] = {}
    order: list[Change | object] = []
    for pair in pairs:
        status = _status_of(*pair, number)
        if not any(place and place.entry.views for place in pair):  # the only name of its entry
            order.append(Change(status, *pair))
            continue
        key = (status, *map(_entry_key, pair))
        if key not in tied:
            order.append(key)
        tied.setdefault(key, []).append(pair)
    for one in order:
        yield one if isinstance(one, Change) else _join_names(tied[one], number)


def _join_names(pairs: Sequence[ParameterPair], number: Callable[[str], str]) -> Change:
    first, *others = pairs
    also = tuple([version.name for before, after in others if (version := after or before)])
    return Change(_status_of(*first, number), *first, also)


def _entry_key(place: ParameterVersion | None) -> tuple[str, str | None] | None:
    """A key that no other entry of the same version has."""
    return place and (place.path, place.entry.name)


def _status_of(
    before: ParameterVersion | None, after: ParameterVersion | None, number: Callable[[str], str]
) -> ChangeStatus:
    if before is None or after is None:
        return ChangeStatus.ADDED if before is None else ChangeStatus.REMOVED
    if values_key(before) != values_key(after):
        return ChangeStatus.CHANGED if window_of(before)[:2] == window_of(after)[:2] else ChangeStatus.SPEC
    if before.name != after.name:
        return ChangeStatus.RENAMED
    return ChangeStatus.UNCHANGED if number(before.path) == number(after.path) else ChangeStatus.MOVED


def _is_rest_changed(before: Sequence[Shard], after: Sequence[Shard]) -> bool:
    if not before or not after:  # what has no parameter comes and goes all the same
        return not any(_parameters_of([*before, *after]))
    return _literal_parts(before) != _literal_parts(after)


def _literal_parts(shards: Iterable[Shard]) -> list[object]:
    """Of each file what is no parameter: its format, its frame, and runs without a name."""
    return [
        (
            manifest.format,
            manifest.frame and manifest.frame.oid,
            [part.oid for part in manifest.entries if not part.name],
        )
        for _, manifest in shards
    ]
