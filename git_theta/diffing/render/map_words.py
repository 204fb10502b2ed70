"""What every rendering says of a map in words."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.diffing.render.formatting import format_magnitude, format_percent
from git_theta.diffing.weight_map import ClusterMerge, WeightMap
from git_theta.words import escape_unprintable, join_some, pluralize

_ID_DIGITS = 12
"""Hex digits of a commit's id."""


def abbreviate_id(commit: str) -> str:
    """A commit's id as people read it."""
    return commit[:_ID_DIGITS]


def shorten_label(label: str, longest: int) -> str:
    """A version's name in at most so many letters: both of its ends tell it from others."""
    label = escape_unprintable(label)
    if len(label) <= longest:
        return label
    tail = longest // 2
    return f"{label[: longest - tail - 3]}...{label[-tail:]}"


def describe_base(found: WeightMap) -> str:
    """What task vectors start from: its name, how it was chosen, its subject."""
    base, how = found.base, " (the merge base)" if found.merge_base else ""
    commit = "" if base.commit.startswith(base.label) else f" {abbreviate_id(base.commit)}"
    return escape_unprintable(f"{base.label}{commit}{how}  {base.subject}").rstrip()


def describe_compared(found: WeightMap) -> str:
    """How much was compared."""
    same = f" ({found.same:,} the same in all versions)" if found.same else ""
    return f"{found.parameters:,} compared{same}, {format_magnitude(found.elements)} elements"


def describe_left_out(found: WeightMap, most: int) -> Iterator[tuple[str, bool]]:
    """The parameters that count in no number, by reason, at most so many of each by name; whether reading failed."""
    reasons: dict[tuple[str, bool], list[str]] = {}
    for one in found.left_out:
        reasons.setdefault((one.reason, one.failed), []).append(escape_unprintable(one.name))
    for (reason, failed), names in reasons.items():
        what = f"{pluralize(len(names), 'parameter')}, {escape_unprintable(reason)}"
        yield f"{what}: {join_some(names, most)}", failed


def describe_plane(found: WeightMap) -> str:
    """How far the plane can be trusted."""
    return f"The plane shows {format_percent(found.shown)} of all squared distances from the centre."


def nothing_differs(found: WeightMap) -> bool:
    """Whether all versions and the base are one point."""
    return found.shown is None


def merge_of(found: WeightMap, cluster: int) -> ClusterMerge | None:
    """The merge that made a cluster; None for a version."""
    made = cluster - len(found.versions)
    return found.merges[made] if made >= 0 else None
