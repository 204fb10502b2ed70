"""A three-way merge of name -> shard: which file each parameter of a merged checkpoint goes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from git_theta.merging.planning.decisions import trivial_merge
from git_theta.merging.planning.plan import Plan

ShardLayout = Mapping[str, str]
"""Name of each parameter to the path of its shard, in file order."""


def merge_layouts(base: ShardLayout | None, heads: Sequence[ShardLayout], names: Iterable[str]) -> dict[str, str]:
    """Where each of these names goes.

    Among the heads that have the files of the result, a head's move of a parameter counts: the first one's, where they
    moved it to different files. What is only in other heads goes next to its neighbour there.

    Args:
        base: the layout at the merge base; None where there is none.
        heads: the layout at each head, one at least.
        names: of the merged parameters, all of which some head or the base has.
    """
    names = list(names)
    leader = choose_files(base, heads)
    files = set(heads[leader].values())
    followers = [heads[leader], *(head for head in heads if head is not heads[leader] and set(head.values()) == files)]
    before = base if base is not None and set(base.values()) == files else {}
    placed: dict[str, str] = {}
    for name in names:
        known = [head[name] for head in followers if name in head]
        if known or name in before:
            placed[name] = next((path for path in known if path != before.get(name)), before.get(name, "") or known[0])
    _place_beside(placed, set(names) - placed.keys(), heads, first=min(files, default=""))
    return {name: placed[name] for name in names}


def stands_alone(made: Plan) -> bool:
    """Whether a shard can be merged by itself: base and heads have it, and the same parameters in it.

    Else a parameter may have come from another shard, or gone there, and have changed on the way.
    """
    return made.base is not None and all(
        bool(decision.base) and all(map(bool, decision.heads)) for decision in made.decisions
    )


def choose_files(base: ShardLayout | None, heads: Sequence[ShardLayout]) -> int:
    """The head whose files the result has: the one that cut the checkpoint otherwise; the first, where several did."""
    files = [frozenset(head.values()) for head in heads]
    _, source = trivial_merge(None if base is None else frozenset(base.values()), files)
    return source or 0


def _place_beside(placed: dict[str, str], missing: set[str], heads: Sequence[ShardLayout], *, first: str) -> None:
    """Put what has no place yet where the parameter before it, at a head that has both, is."""
    for head in heads:
        path = first
        for name in head:
            if name in placed:
                path = placed[name]
            elif name in missing:
                placed[name] = path
    for name in missing - placed.keys():
        placed[name] = first
