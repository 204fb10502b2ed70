"""Which parameters of two versions belong together: by place, by name, and last by bytes under another name."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from git_theta.checkpoints.shards import shard_number
from git_theta.diffing.base import ParameterVersion

ParameterPair = tuple[ParameterVersion | None, ParameterVersion | None]
"""A parameter before and after; None where it was not there."""
MatchKey = Callable[[ParameterVersion], Hashable]

_COMPONENTS = 8
_NUMBERS = re.compile(r"\d+")


class _Pairing(NamedTuple):
    """What each place of ``after`` was before, by identity, and what is left over on both sides, in order."""

    former: dict[int, ParameterVersion]
    removed: list[ParameterVersion]
    added: list[ParameterVersion]


def pair_parameters(before: Iterable[ParameterVersion], after: Iterable[ParameterVersion]) -> list[ParameterPair]:
    """Every parameter with what it was before: in the order of ``after``, then what was removed.

    The same name in the same shard comes first, the same name in another one second. What is then left over is renamed
    where bytes, dtype and shape agree. Many tensors are the same without having to do with each other (biases of
    zeros), so names that are most alike go first, and among those the ones that stand first.
    """
    now = list(after)
    found = _Pairing({}, list(before), now)
    for key in (_shard_and_name, _name_of):
        found = _match_by_key(found, key)
    if not {values_key(place) for place in found.removed}.isdisjoint(values_key(place) for place in found.added):
        for likeness in _likeness_keys():
            found = _match_by_key(found, _values_and_likeness(likeness))
    return [*((found.former.get(id(place)), place) for place in now), *((place, None) for place in found.removed)]


def window_of(place: ParameterVersion) -> tuple[str, tuple[int, ...], tuple[int, ...] | None, int]:
    """What a name stands for of the bytes of its entry: dtype, shape, stride and offset as views have them."""
    entry = place.entry
    view = place.view or next((view for view in entry.views if view.name == place.name), None)
    if view:
        return view.dtype, view.shape, view.stride, view.offset
    return entry.dtype, entry.shape, None, 0


def values_key(place: ParameterVersion) -> Hashable:
    """What two places have in common where they hold the same values."""
    return place.entry.oid, window_of(place)


def _match_by_key(so_far: _Pairing, key: MatchKey) -> _Pairing:
    """Pairs of equal keys too, the first with the first."""
    if not so_far.removed or not so_far.added:
        return so_far
    waiting: dict[Hashable, ParameterVersion] = {}
    queues: dict[Hashable, deque[ParameterVersion]] = {}  # of those that wait behind one of the same key: few
    for place in so_far.removed:
        if waiting.setdefault(found := key(place), place) is not place:
            queues.setdefault(found, deque()).append(place)
    added, taken = [], set()
    for place in so_far.added:
        if same := waiting.pop(found := key(place), None):
            so_far.former[id(place)] = same
            taken.add(id(same))
            if queues.get(found):
                waiting[found] = queues[found].popleft()
        else:
            added.append(place)
    return _Pairing(so_far.former, [place for place in so_far.removed if id(place) not in taken], added)


def _shard_and_name(place: ParameterVersion) -> Hashable:
    return shard_number(place.path), place.name


def _name_of(place: ParameterVersion) -> Hashable:
    return place.name


def _values_and_likeness(likeness: MatchKey) -> MatchKey:
    return lambda place: (values_key(place), likeness(place))


def _likeness_keys() -> Iterator[MatchKey]:
    """What names may have in common, the most telling first: their ends, their numbers and last component, nothing."""
    yield from (_ending_key(components) for components in range(_COMPONENTS, 1, -1))
    yield lambda place: (*_NUMBERS.findall(place.name), _last_component(place))
    yield _last_component
    yield lambda _: None


def _ending_key(components: int) -> MatchKey:
    return lambda place: tuple(place.name.rsplit(".", components)[-components:])


def _last_component(place: ParameterVersion) -> str:
    return place.name.rpartition(".")[2]
