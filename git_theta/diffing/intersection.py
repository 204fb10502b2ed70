"""Which parameters several versions of a checkpoint have in common, on ids alone (L8): pure, and without numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import MISFIT, ParameterVersion
from git_theta.diffing.pairing import window_of
from git_theta.manifest.model import Entry
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import is_numeric
from git_theta.tensors.spec import spec_fits

NOT_EVERYWHERE = "not in all versions"
OTHER_SPEC = "of another dtype or shape in some version"
NO_FLOATS = "no floating-point numbers"
NO_VALUES = "coded in blocks that are not decoded"


class SharedParameter(NamedTuple):
    """A parameter that all versions have with one dtype and shape: its name, and its entries, those of the base first.

    Names that share their values in every version are one parameter, under the first of them.
    """

    name: str
    entries: tuple[Entry, ...]

    @property
    def contents(self) -> tuple[Entry, ...]:
        """One entry for each of the different bytes, the base's first."""
        found: dict[str, Entry] = {}
        for entry in self.entries:
            found.setdefault(entry.oid, entry)
        return tuple(found.values())

    @property
    def content_indices(self) -> list[int]:
        """For each version, the place of its bytes in ``contents``."""
        places = {entry.oid: place for place, entry in enumerate(self.contents)}
        return [places[entry.oid] for entry in self.entries]

    @property
    def is_identical(self) -> bool:
        """Whether all versions have the same bytes."""
        return len({entry.oid for entry in self.entries}) == 1


class LeftOutParameter(NamedTuple):
    """A parameter that no distance counts, and why. ``failed``: its values could not be read."""

    name: str
    reason: str
    failed: bool = False


class Intersection(NamedTuple):
    """What versions of a checkpoint have in common, in file order, and what they do not."""

    shared: tuple[SharedParameter, ...]
    left_out: tuple[LeftOutParameter, ...]


def intersect_versions(
    versions: Sequence[Iterable[Shard]], keep: Callable[[str], bool] = lambda _: True
) -> Intersection:
    """The parameters that every version has.

    Args:
        versions: the files of each, those of the base first.
        keep: which names were asked for; nothing is said of others.

    Only floating-point and complex numbers are weights: step counters and indexes have no distance that means anything.
    """
    held = [_parameters_by_name(shards) for shards in versions]
    groups: dict[tuple[object, ...], list[str]] = {}
    entries: dict[tuple[object, ...], tuple[Entry, ...]] = {}
    left_out = []
    for name in dict.fromkeys(name for places in held for name in places):
        found = [places[name] for places in held if name in places]
        reason = NOT_EVERYWHERE if len(found) < len(held) else _reason_left_out(found)
        if reason:
            left_out += [LeftOutParameter(name, reason)] if keep(name) else []
            continue
        key = tuple([(place.path, place.entry.name) for place in found])
        groups.setdefault(key, []).append(name)
        entries[key] = tuple([place.entry for place in found])
    shared = [SharedParameter(names[0], entries[key]) for key, names in groups.items() if any(map(keep, names))]
    return Intersection(tuple(shared), tuple(left_out))


def _parameters_by_name(shards: Iterable[Shard]) -> dict[str, ParameterVersion]:
    """Every name of a version, those that share an entry one after the other."""
    found: dict[str, ParameterVersion] = {}
    for path, manifest in shards:
        for entry in manifest.parameters():
            found.setdefault(entry.name or "", ParameterVersion(path, entry.name or "", entry))
            for view in entry.views:
                found.setdefault(view.name, ParameterVersion(path, view.name, entry, view))
    return found


def _reason_left_out(places: Sequence[ParameterVersion]) -> str:
    if len({(place.entry.dtype, place.entry.shape, window_of(place)) for place in places}) > 1:
        return OTHER_SPEC
    if not all(spec_fits(place.entry.dtype, place.entry.shape, place.entry.size) for place in places):
        return MISFIT
    dtype = BY_NAME.get(places[0].entry.dtype)
    if dtype is None or not dtype.is_floating:
        return NO_FLOATS
    return "" if is_numeric(dtype) else NO_VALUES
