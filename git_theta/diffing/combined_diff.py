"""What a commit changed, where it has several parents: what none of them has like that.

A merge that takes each parameter from one side or the other changes nothing; ``git log --cc`` shows merges alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_theta.diffing.base import Change, ChangeStatus, Comparison

_MILDEST_FIRST = (
    ChangeStatus.UNCHANGED,
    ChangeStatus.MOVED,
    ChangeStatus.RENAMED,
    ChangeStatus.CHANGED,
    ChangeStatus.SPEC,
    ChangeStatus.ADDED,
    ChangeStatus.REMOVED,
)


def combine_comparisons(comparisons: Sequence[Sequence[Comparison]]) -> list[Comparison]:
    """The checkpoints that differ from all parents, each with the changes that it has against every one.

    Args:
        comparisons: for each parent, the checkpoints that differ from it.

    A change is told as the mildest that it is to any parent: what one has under another name is renamed. ``before`` is
    the first parent's. With several parents, checkpoints with no such change are left out, whatever
    ``rest_changed`` says: bytes around the parameters are the merge's own in many formats.
    """
    first, *others = comparisons
    if not others:
        return list(first)
    found = [_common_changes(one, [_changes_by_name(one.path, other) for other in others]) for one in first]
    return [one for one in found if one.changes]


def _changes_by_name(path: str, comparisons: Iterable[Comparison]) -> dict[str, Change]:
    """The changes of one checkpoint by name; none where it does not differ."""
    return {change.name: change for one in comparisons if one.path == path for change in one.changes}


def _common_changes(one: Comparison, others: Sequence[dict[str, Change]]) -> Comparison:
    changes = [
        min([change, *(other[change.name] for other in others)], key=lambda each: _MILDEST_FIRST.index(each.status))
        for change in one.changes
        if all(change.name in other for other in others)
    ]
    return one._replace(changes=tuple([change for change in changes if change.status is not ChangeStatus.UNCHANGED]))
