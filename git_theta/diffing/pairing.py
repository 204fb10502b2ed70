"""Which parameters of two versions belong together: by place, by name, and last by bytes under another name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from git_theta.checkpoints.shards import number
from git_theta.diffing.base import Place

Pair = tuple[Place | None, Place | None]
"""A parameter before and after; None where it was not there."""
Key = Callable[[Place], Hashable]

_COMPONENTS = 8
_NUMBERS = re.compile(r"\d+")


class _Pairing(NamedTuple):
    """What each place of ``after`` was before, by identity, and what is left over on both sides, in order."""

    was: dict[int, Place]
    removed: list[Place]
    added: list[Place]


def paired(before: Iterable[Place], after: Iterable[Place]) -> list[Pair]:
    """Every parameter with what it was before: in the order of ``after``, then what was removed.

    The same name in the same shard comes first, the same name in another one second. What is then left over is renamed
    where bytes, dtype and shape agree. Many tensors are the same without having to do with each other (biases of
    zeros), so names that are most alike go first, and among those the ones that stand first.
    """
    now = list(after)
    found = _Pairing({}, list(before), now)
    for key in (_place, _name):
        found = _matched(found, key)
    if not {values(place) for place in found.removed}.isdisjoint(values(place) for place in found.added):
        for likeness in _likenesses():
            found = _matched(found, _alike(likeness))
    return [*((found.was.get(id(place)), place) for place in now), *((place, None) for place in found.removed)]


def window(place: Place) -> tuple[str, tuple[int, ...], tuple[int, ...] | None, int]:
    """What a name stands for of the bytes of its entry: dtype, shape, stride and offset as views have them."""
    entry = place.entry
    for view in entry.views:
        if view.name == place.name:
            return view.dtype, view.shape, view.stride, view.offset
    return entry.dtype, entry.shape, None, 0


def values(place: Place) -> Hashable:
    """What two places have in common where they hold the same values."""
    return place.entry.oid, window(place)


def _matched(so_far: _Pairing, key: Key) -> _Pairing:
    """Pairs of equal keys too, the first with the first."""
    waiting: dict[Hashable, list[Place]] = defaultdict(list)
    for place in reversed(so_far.removed):
        waiting[key(place)].append(place)
    was, added = dict(so_far.was), []
    for place in so_far.added:
        if same := waiting.get(key(place)):
            was[id(place)] = same.pop()
        else:
            added.append(place)
    left = {id(place) for places in waiting.values() for place in places}
    return _Pairing(was, [place for place in so_far.removed if id(place) in left], added)


def _place(place: Place) -> Hashable:
    return number(place.path), place.name


def _name(place: Place) -> Hashable:
    return place.name


def _alike(likeness: Key) -> Key:
    return lambda place: (values(place), likeness(place))


def _likenesses() -> Iterator[Key]:
    """What names may have in common, the most telling first: their ends, their numbers and last component, nothing."""
    yield from (_ending(components) for components in range(_COMPONENTS, 1, -1))
    yield lambda place: (*_NUMBERS.findall(place.name), _last(place))
    yield _last
    yield lambda _: None


def _ending(components: int) -> Key:
    return lambda place: tuple(place.name.rsplit(".", components)[-components:])


def _last(place: Place) -> str:
    return place.name.rpartition(".")[2]
