"""The plan of a merge: what becomes of every parameter, and of the file, as a pure function of manifests.

It is made from ids alone, for any number of heads at once (two in `git merge`: ours, theirs). What it leaves contested
is for strategies, or for the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.trivial import (
    BASE,
    UNSETTLED,
    Decision,
    Held,
    State,
    decide,
    identity,
    names_of,
    settled,
    slot,
    three_way,
)

OPAQUE = "opaque"
"""The format of a file that no format could read: whatever parameters it may have are unknown."""


class Place(NamedTuple):
    """A parameter in the result: its entry's own name, and the head (or BASE) whose entry it is."""

    name: str
    source: int


class Plan(NamedTuple):
    """What becomes of a file.

    Attributes:
        labels: what people call the heads.
        base, heads: the manifests that it was made from.
        whole: whether the file is taken or contested as one, since it is opaque somewhere; ``decisions`` is then empty.
        frame: the decision about everything that is no parameter: frame, parts without a name, format, order. Where it
            is contested, only its bytes can tell whether anything but the layout changed, and the format has to read
            them; for a file without parameters, and a ``whole`` one, that is a conflict.
        decisions: one for each parameter, or parameters that are tied somewhere; in the file order of the first head,
            then what only the next one has, and so on; at last what only the base has. Each name is in exactly one.
        like: the head (or BASE) that is the template of the result: its frame, format and order.
        exact: whether the result has just the template's parameters, names, dtypes and shapes, so that nothing but
            bytes are replaced; otherwise the format has to build it.
        layout: the result's parameters in order. Contested ones have the place that the first head gives them.
    """

    labels: tuple[str, ...]
    base: Manifest | None
    heads: tuple[Manifest, ...]
    whole: bool
    frame: Decision
    decisions: tuple[Decision, ...]
    like: int
    exact: bool
    layout: tuple[Place, ...]

    @property
    def contested(self) -> tuple[Decision, ...]:
        """The parameters that are not settled."""
        return tuple(decision for decision in self.decisions if decision.source is None)

    @property
    def counts(self) -> dict[State, int]:
        """How many decisions are in which state, for those states that there are."""
        found = Counter(decision.state for decision in self.decisions)
        return {state: found[state] for state in State if found[state]}

    def manifest(self, source: int) -> Manifest | None:
        """A head's manifest, or the base's: None where there is no base."""
        return self.base if source == BASE else self.heads[source]

    def label(self, source: int) -> str:
        """What people call a head, or the base."""
        return "base" if source == BASE else self.labels[source]


def plan(base: Manifest | None, heads: Sequence[Manifest], labels: Sequence[str] = ()) -> Plan:
    """The plan that merges the heads of a file.

    Args:
        base: the file at the merge base; None where it was not there (both sides added it).
        heads: the file at each head, ours first.
        labels: what people call the heads; by default ours and theirs, or head 1, head 2, ... where there are not two.

    Raises ValueError without heads, or where the labels are not one for each head, all different.
    """
    called = tuple(labels) or _labels(len(heads))
    if not heads or len(set(called)) != len(heads) or len(called) != len(heads):
        raise ValueError(f"{len(heads)} heads, labelled {called}")
    if any(manifest.format == OPAQUE for manifest in _all(base, heads)):
        return _whole(called, base, tuple(heads))
    decisions = tuple(_decisions(base, heads))
    frame = _frame(base, heads)
    return _arranged(Plan(called, base, tuple(heads), False, frame, decisions, 0, False, ()))


def settle(whole: Plan, choices: Mapping[str, int] = {}, frame: int | None = None) -> Plan:
    """The plan in which contested parameters, and the frame, are taken from a head, or from BASE.

    Where a strategy computes the outcome, the choice says whose entry it is like. What BASE lacks is removed by it.

    Args:
        whole: the plan.
        choices: a contested decision's ``name`` to the head.
        frame: the head whose frame to take, where that is contested.

    Raises KeyError for a name that is not a contested decision's.
    """
    open_names = {decision.name for decision in whole.decisions if decision.state in UNSETTLED}
    if unknown := choices.keys() - open_names:
        raise KeyError(f"not contested: {sorted(unknown)}")
    decisions = [one._replace(source=choices.get(one.name, one.source)) for one in whole.decisions]
    taken = whole.frame if frame is None else whole.frame._replace(source=frame)
    return _arranged(whole._replace(decisions=tuple(decisions), frame=taken))


def _labels(count: int) -> tuple[str, ...]:
    return ("ours", "theirs") if count == 2 else tuple(f"head {number}" for number in range(1, count + 1))


def _all(base: Manifest | None, heads: Sequence[Manifest]) -> Iterator[Manifest]:
    """Heads first: it is their order that a person knows."""
    yield from heads
    if base is not None:
        yield base


def _decisions(base: Manifest | None, heads: Sequence[Manifest]) -> Iterator[Decision]:
    owners = [_owners(head) for head in heads]
    ancestor = _owners(base) if base else {}
    for names in _groups([*owners, ancestor]):
        yield decide(names, _held(ancestor, names), tuple([_held(owner, names) for owner in owners]))


def _owners(manifest: Manifest) -> dict[str, Entry]:
    """Every name of a parameter to the entry that has its values, in file order."""
    owners: dict[str, Entry] = {}
    for entry in manifest.entries:
        if entry.name is not None:
            owners[entry.name] = entry
            for view in entry.views:
                owners[view.name] = entry
    return owners


def _held(owners: Mapping[str, Entry], names: tuple[str, ...]) -> Held:
    if len(names) == 1:
        entry = owners.get(names[0])
        return () if entry is None else (entry,)
    found = {entry.name: entry for name in names if (entry := owners.get(name)) is not None}
    return tuple(found.values())


def _groups(owners: Sequence[Mapping[str, Entry]]) -> Iterable[tuple[str, ...]]:
    """The names, those together that share values in any of the manifests, directly or by way of others."""
    names = dict.fromkeys(chain.from_iterable(owners))
    above = _ties(owner[name] for owner in owners for name in owner if owner[name].views)
    if not above:
        return ((name,) for name in names)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_root(above, name), []).append(name)
    return map(tuple, groups.values())


def _ties(entries: Iterable[Entry]) -> dict[str, str]:
    """A forest over the names: two that share values, in whatever way, have the same root."""
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


def _frame(base: Manifest | None, heads: Sequence[Manifest]) -> Decision:
    by, source = three_way(base and _framing(base), [_framing(head) for head in heads])
    return _about_the_file(base, heads, by, source, _nameless)


def _framing(manifest: Manifest) -> Hashable:
    """What makes a file's frame the same as another's: everything but the parameters' values."""
    parts = tuple([(None, part.oid) if part.name is None else part.name for part in manifest.entries])
    return manifest.format, manifest.frame and manifest.frame.oid, parts


def _nameless(manifest: Manifest) -> Held:
    return tuple(part for part in manifest.parts() if part.name is None)


def _whole(labels: tuple[str, ...], base: Manifest | None, heads: tuple[Manifest, ...]) -> Plan:
    by, source = three_way(base and _content(base), [_content(head) for head in heads])
    decision = _about_the_file(base, heads, by, source, lambda manifest: tuple(manifest.parts()))
    return _arranged(Plan(labels, base, heads, True, decision, (), 0, True, ()))


def _content(manifest: Manifest) -> Hashable:
    return manifest.format, tuple(map(identity, manifest.parts()))
