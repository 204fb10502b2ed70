"""What every rendering says of a map in words."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.diffing.render.formatting import magnitude, percent
from git_theta.diffing.weight_map import Map, Merge
from git_theta.words import count, printable

_SHORT = 12
"""Hex digits of a commit's id."""


def abbreviated(commit: str) -> str:
    """A commit's id as people read it."""
    return commit[:_SHORT]


def brief(label: str, longest: int) -> str:
    """A version's name in at most so many letters: both of its ends tell it from others."""
    label = printable(label)
    if len(label) <= longest:
        return label
    tail = longest // 2
    return f"{label[: longest - tail - 3]}...{label[-tail:]}"


def base_words(found: Map) -> str:
    """What task vectors start from: its name, how it was chosen, its subject."""
    base, how = found.base, " (the merge base)" if found.merge_base else ""
    commit = "" if base.commit.startswith(base.label) else f" {abbreviated(base.commit)}"
    return printable(f"{base.label}{commit}{how}  {base.subject}").rstrip()


def compared_words(found: Map) -> str:
    """How much was compared."""
    same = f" ({found.same:,} the same in all versions)" if found.same else ""
    return f"{found.parameters:,} compared{same}, {magnitude(found.elements)} elements"


def left_out_words(found: Map, most: int) -> Iterator[tuple[str, bool]]:
    """The parameters that count in no number, by reason, at most so many of each by name; whether reading failed."""
    reasons: dict[tuple[str, bool], list[str]] = {}
    for one in found.left_out:
        reasons.setdefault((one.reason, one.failed), []).append(printable(one.name))
    for (reason, failed), names in reasons.items():
        more = f" and {len(names) - most:,} more" if len(names) > most else ""
        yield f"{count(len(names), 'parameter')}, {printable(reason)}: {', '.join(names[:most])}{more}", failed


def shown_words(found: Map) -> str:
    """How far the plane can be trusted."""
    return f"The plane shows {percent(found.shown)} of all squared distances from the centre."


def nothing_differs(found: Map) -> bool:
    """Whether all versions and the base are one point."""
    return found.shown is None


def children(found: Map, cluster: int) -> Merge | None:
    """The merge that made a cluster; None for a version."""
    made = cluster - len(found.versions)
    return found.merges[made] if made >= 0 else None
