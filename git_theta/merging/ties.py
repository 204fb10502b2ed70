"""Names that share values, in any of several manifests: what has to be decided together.

A tie that one side broke, made or moved cannot be merged name by name: two names would end up on one tensor, or one
name on two. So all names that ties bring together, directly or by way of others, form one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.decisions import Entries, names_of

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


def group_tied_names(manifests: Sequence[Owners]) -> Iterable[tuple[str, ...]]:
    """Every name once, in groups; in the order of the manifests."""
    names = dict.fromkeys(chain.from_iterable(manifests))
    tied = {id(entry): entry for owners in manifests for entry in owners.values() if entry.views}
    above = _forest(tied.values())
    if not above:
        return ((name,) for name in names)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_root(above, name), []).append(name)
    return map(tuple, found.values())


def entries_of(owners: Owners, names: tuple[str, ...]) -> Entries:
    """The entries that have these names, which are a group."""
    if len(names) == 1:
        entry = owners.get(names[0])
        return () if entry is None else (entry,)
    found = {entry.name: entry for name in names if (entry := owners.get(name)) is not None}
    return tuple(found.values())


def _forest(entries: Iterable[Entry]) -> dict[str, str]:
    """Name to name: two that share values, in whatever way, have the same root."""
    above: dict[str, str] = {}
    for entry in entries:
        first = _root(above, entry.name or "")
        for name in names_of(entry):
            above[_root(above, name)] = first
    return above


def _root(above: dict[str, str], name: str) -> str:
    while (parent := above.get(name, name)) != name:
        above[name] = above.get(parent, parent)  # shortens the way for the next one
        name = parent
    return name
