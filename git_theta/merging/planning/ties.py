"""Names that share values, in any of several manifests, or that are a group: what has to be decided together.

A tie that one side broke, made or moved cannot be merged name by name: two names would end up on one tensor, or one
name on two. So all names that ties bring together, directly or by way of others, are one decision; and so are those of
a group (``groups``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.planning.decisions import Entries, names_of
from git_theta.merging.planning.groups import FoundGroup

Owners = Mapping[str, Entry]
"""Every name of a manifest's parameters to the entry that has its values, in file order."""


def owners_of(manifest: Manifest | None) -> Owners:
    """The owners in a manifest; none where there is no manifest."""
    owners: dict[str, Entry] = {}
    for entry in manifest.entries if manifest else ():
        if entry.name is not None:
            owners[entry.name] = entry
            for view in entry.views:
                owners[view.name] = entry
    return owners


def join_names(manifests: Sequence[Owners], groups: Iterable[FoundGroup]) -> Iterable[tuple[str, ...]]:
    """Every name once, with those that have to be decided together; in the order of the manifests."""
    names = dict.fromkeys(chain.from_iterable(manifests))
    tied = {id(entry): entry for owners in manifests for entry in owners.values() if entry.views}
    above = _forest([*map(names_of, tied.values()), *(found.names for found in groups)])
    if not above:
        return ((name,) for name in names)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_root(above, name), []).append(name)
    return map(tuple, found.values())


def entries_of(owners: Owners, names: tuple[str, ...]) -> Entries:
    """The entries that have these names, which are decided together."""
    if len(names) == 1:
        entry = owners.get(names[0])
        return () if entry is None else (entry,)
    found = {entry.name: entry for name in names if (entry := owners.get(name)) is not None}
    return tuple(found.values())


def _forest(joined: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Name to name: two that are together, in whatever way, have the same root."""
    above: dict[str, str] = {}
    for names in joined:
        first = _root(above, names[0])
        for name in names:
            above[_root(above, name)] = first
    return above


def _root(above: dict[str, str], name: str) -> str:
    while (parent := above.get(name, name)) != name:
        above[name] = above.get(parent, parent)  # shortens the way for the next one
        name = parent
    return name
