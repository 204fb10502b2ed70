"""Two versions of a checkpoint to their changes, on ids alone (L8): pure, and without numpy.

A parameter changed when the id of its bytes did (L3). Names that share bytes change together, also where they are
windows on different stretches of them: which stretch changed, ids cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from git_theta.checkpoints.shards import Shard, number
from git_theta.diffing.base import Change, Comparison, Place, Status
from git_theta.diffing.pairing import Pair, paired, values, window


def compare(path: str, before: Sequence[Shard], after: Sequence[Shard]) -> Comparison:
    """What changed in the checkpoint that people call ``path``.

    Args:
        path: its file, or the index of its shards.
        before: its files then; () where it was not there.
        after: its files now, as many or not.

    ``rest`` of the result says whether literal bytes, order or format differ. Most formats list names and shapes in
    those bytes, some checksums of values: whether anything else differs, ids cannot tell (``operations.diff`` can).
    """
    pairs = paired(_places(before), _places(after))
    return Comparison(path, tuple(before), tuple(after), tuple(_together(pairs)), _rest(before, after))


def _places(shards: Iterable[Shard]) -> Iterator[Place]:
    """Every name of every parameter, those that share an entry one after the other."""
    for path, manifest in shards:
        for entry in manifest.parameters():
            own = entry.name or ""
            yield Place(path, own, entry)
            yield from (Place(path, view.name, entry) for view in entry.views if view.name != own)


def _together(pairs: Iterable[Pair]) -> Iterator[Change]:
    """The changes; names that went from one entry to one other are together."""
    groups: dict[object, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((_status(*pair), *map(_entry, pair)), []).append(pair)
    for first, *others in groups.values():
        also = tuple([place.name for before, after in others if (place := after or before)])
        yield Change(_status(*first), *first, also)


def _entry(place: Place | None) -> tuple[str, str | None] | None:
    """What tells the entry of a place from all others of its version."""
    return place and (place.path, place.entry.name)


def _status(before: Place | None, after: Place | None) -> Status:
    if before is None or after is None:
        return Status.ADDED if before is None else Status.REMOVED
    if values(before) != values(after):
        return Status.CHANGED if window(before)[:2] == window(after)[:2] else Status.SPEC
    if before.name != after.name:
        return Status.RENAMED
    return Status.UNCHANGED if number(before.path) == number(after.path) else Status.MOVED


def _rest(before: Sequence[Shard], after: Sequence[Shard]) -> bool:
    return bool(before and after) and _literal(before) != _literal(after)


def _literal(shards: Iterable[Shard]) -> list[object]:
    """Of each file what is no parameter: its format, its frame, and runs without a name."""
    return [
        (
            manifest.format,
            manifest.frame and manifest.frame.oid,
            [part.oid for part in manifest.entries if not part.name],
        )
        for _, manifest in shards
    ]
