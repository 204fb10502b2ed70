"""The trivial merge of one parameter, or of tied ones: what ids alone settle, with no tensor read (L8).

Where exactly one new value is on the table it wins; where nobody changed anything nothing happens; all else is
contested, however harmless it may look (L7). What is decided about is a parameter, or parameters that must go together
because one of the manifests ties them (two names of one tensor here, two tensors there), or because they are a group.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from git_theta.manifest.model import Entry
from git_theta.merging.planning.groups import Group

BASE = -1
"""Stands for the merge base where the index of a head may stand."""

SIDES = {"ours": 0, "theirs": 1, "base": BASE}
"""Strategies that take a side whatever is contested, also where no values could be computed with."""

Entries = tuple[Entry, ...]
"""What one manifest has of a thing: nothing, one entry, or several (where another manifest ties their names)."""


class DecisionState(StrEnum):
    """What the heads did to a thing. The first group is settled by ids, the second is contested."""

    UNCHANGED = "unchanged"
    CHANGED = "changed-by-one"
    CHANGED_SAME = "same-change"
    ADDED = "added-by-one"
    ADDED_SAME = "added-by-several"
    REMOVED = "removed-by-one"
    REMOVED_SAME = "removed-by-several"

    CONTESTED = "contested"
    ADDED_DIFFERENTLY = "added-differently"
    REMOVED_MODIFIED = "removed-against-modified"
    SPEC_CHANGED = "spec-changed"
    NAMES_CHANGED = "names-changed"


CONTESTED_STATES = frozenset(list(DecisionState)[list(DecisionState).index(DecisionState.CONTESTED) :])
"""The states that ids cannot settle.

In CONTESTED every head has one entry, and in ADDED_DIFFERENTLY at least two have one; their dtypes, shapes and names
agree, so that a strategy can compute. In SPEC dtypes or shapes differ, in NAMES it is the names that share values, and
in REMOVED_MODIFIED a head has none.
"""

_SETTLED_STATES = {
    (True, True): (DecisionState.CHANGED, DecisionState.CHANGED_SAME),
    (False, True): (DecisionState.ADDED, DecisionState.ADDED_SAME),
    (True, False): (DecisionState.REMOVED, DecisionState.REMOVED_SAME),
}


class Decision(NamedTuple):
    """What becomes of one thing.

    Attributes:
        names: every name of it in any of the manifests, the entry's own first; () for the frame.
        state: what the heads did to it.
        by: indices of the heads that have something else than the base.
        source: a head (or BASE) that has the outcome; None while it is contested.
        base: what the base has; () where there is no base.
        heads: what each head has.
        group: what its names are together; None for a parameter that means something alone.
    """

    names: tuple[str, ...]
    state: DecisionState
    by: tuple[int, ...]
    source: int | None
    base: Entries
    heads: tuple[Entries, ...]
    group: Group | None = None

    @property
    def name(self) -> str:
        """The first of the names; "" for the frame."""
        return self.names[0] if self.names else ""

    def entries_of(self, source: int) -> Entries:
        """What a head, or BASE, has of it."""
        return self.base if source == BASE else self.heads[source]

    @property
    def outcome(self) -> Entries | None:
        """What comes out: () where it is removed, None while it is contested."""
        return None if self.source is None else self.entries_of(self.source)


def trivial_merge(base: Hashable, heads: Sequence[Hashable]) -> tuple[tuple[int, ...], int | None]:
    """The heads that differ from the base, and one that has the outcome: None where they differ from each other."""
    by = _indices(tuple([head != base for head in heads]))
    if not by:
        return by, 0
    first = heads[by[0]]
    return by, by[0] if all(heads[index] == first for index in by) else None


@lru_cache(1 << 8)
def _indices(flags: tuple[bool, ...]) -> tuple[int, ...]:
    """Where a flag is set: one tuple for all the decisions that say the same."""
    return tuple([index for index, flag in enumerate(flags) if flag])


def classify_settled(by: Sequence[int], *, had: bool, has: bool) -> DecisionState:
    """The state of what ids settle: whether the base had it, and whether the outcome has it."""
    return _SETTLED_STATES[had, has][len(by) > 1] if by else DecisionState.UNCHANGED


def decide_parameter(
    names: tuple[str, ...], base: Entries, heads: tuple[Entries, ...], group: Group | None = None
) -> Decision:
    """The decision about parameters of these names, which may be a group."""
    if heads.count(base) == len(heads):  # storage and all: most parameters of most merges, and quick to tell
        return Decision(names, DecisionState.UNCHANGED, (), 0, base, (base,) * len(heads), group)
    by, source = trivial_merge(identity_of_entries(base), [identity_of_entries(held) for held in heads])
    if source is not None:
        state = classify_settled(by, had=bool(base), has=bool(heads[source]))
    elif base and not all(heads[index] for index in by):
        state = DecisionState.REMOVED_MODIFIED
    else:
        state = (_classify_group if group else _classify_contested)(base, [held for held in heads if held])
    return Decision(names, state, by, source, base, heads, group)


def split_decision(decision: Decision) -> list[Decision]:
    """The decision about a group as one for each of its members, as if these meant something alone."""
    names = dict.fromkeys(entry.name or "" for held in (*decision.heads, decision.base) for entry in held)

    def entries(held: Entries, name: str) -> Entries:
        return tuple([entry for entry in held if entry.name == name])

    return [
        decide_parameter((name,), entries(decision.base, name), tuple([entries(held, name) for held in decision.heads]))
        for name in names
    ]


def names_of(entry: Entry) -> tuple[str, ...]:
    """Every name of a parameter's values once, its own first (where that is a window, a view repeats it)."""
    own = entry.name or ""
    return (own, *(view.name for view in entry.views if view.name != own))


def slot_of(entry: Entry) -> Hashable:
    """A parameter without its values: what has to agree for one to take the other's place in a file."""
    return entry.name, entry.dtype, entry.shape, entry.views and _windows(entry)


def identity_of(entry: Entry) -> Hashable:
    """What makes an entry the same as another one: values and names, not the storage, nor which name comes first."""
    return (entry.oid, _windows(entry)) if entry.views else (entry.oid, entry.name, entry.dtype, entry.shape)


def partition_names(held: Entries) -> frozenset[frozenset[str]]:
    """Which names share their values."""
    return frozenset(frozenset(names_of(entry)) for entry in held)


def identity_of_entries(held: Entries) -> Hashable:
    """What makes what one manifest has of a thing the same as what another one has."""
    if len(held) == 1:
        return identity_of(held[0])
    return frozenset(map(identity_of, held)) if held else None


def _windows(entry: Entry) -> Hashable:
    views = [(view.name, view.dtype, view.shape, view.stride, view.offset) for view in entry.views]
    if all(view.name != entry.name for view in entry.views):
        views.append((entry.name or "", entry.dtype, entry.shape, None, 0))
    return frozenset(views)


def _classify_group(base: Entries, heads: Iterable[Entries]) -> DecisionState:
    if len({frozenset(map(slot_of, held)) for held in heads}) > 1:
        return DecisionState.SPEC_CHANGED
    return DecisionState.CONTESTED if base else DecisionState.ADDED_DIFFERENTLY


def _classify_contested(base: Entries, heads: Iterable[Entries]) -> DecisionState:
    present = list(heads)
    groups = [held for held in [*present, base] if held]
    tied = any(len(held) > 1 or held[0].views for held in groups)  # rare, and all that follows is slow for it alone
    if tied and len({partition_names(held) for held in groups}) > 1:
        return DecisionState.NAMES_CHANGED
    # Names that agree everywhere are those of a single entry: only ties bring entries together.
    if len({(entry.dtype, entry.shape, tied and _windows(entry)) for (entry,) in present}) > 1:
        return DecisionState.SPEC_CHANGED
    return DecisionState.CONTESTED if base else DecisionState.ADDED_DIFFERENTLY
