"""What every rendering says of a whole comparison: how many parameters, elements and bytes, in which state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Change, Measured, Report, Status
from git_theta.diffing.render.formatting import magnitude
from git_theta.words import count, printable, size

WORDS = {
    Status.CHANGED: "changed",
    Status.SPEC: "of another dtype or shape",
    Status.ADDED: "added",
    Status.REMOVED: "removed",
    Status.RENAMED: "renamed",
    Status.MOVED: "moved",
}


class Totals(NamedTuple):
    """Sums over changes: parameters by status, of how many, elements of those that are not as before, bytes stored."""

    counts: dict[Status, int]
    parameters: int
    elements: int
    stored: int


def totals(changes: Iterable[Change]) -> Totals:
    """The sums over some changes."""
    changes = tuple(changes)
    counts = Counter(change.status for change in changes)
    touched = [change for change in changes if change.status is not Status.UNCHANGED]
    return Totals(
        {status: counts[status] for status in Status if counts[status]},
        len(changes),
        sum(map(elements, touched)),
        sum(change.stored for change in touched),
    )


def elements(change: Change) -> int:
    """How many elements the parameter has; of a removed one, had."""
    place = change.after or change.before
    return math.prod(place.entry.shape) if place else 0


def summary(report: Report) -> str:
    """One line: ``2 changed, 1 added, of 103 parameters; 442 k elements; 1.2 MB stored``."""
    sums = totals(report.comparison.changes)
    of = f"of {count(sums.parameters, 'parameter')}"
    counts = listed_counts(sums.counts)
    if not counts:
        return f"none changed {of}"
    return f"{counts}, {of}; {magnitude(sums.elements)} elements; {size(sums.stored)} stored"


def listed_counts(counts: Mapping[Status, int]) -> str:
    """``2 changed, 1 added``; what is unchanged goes without saying."""
    return ", ".join(f"{number:,} {WORDS[status]}" for status, number in counts.items() if status in WORDS)


def path_before(report: Report) -> str:
    """What the checkpoint was called before: its former path where a single file was renamed."""
    return _path(report.comparison.before, report.comparison.after, report.comparison.path)


def left_out(report: Report) -> int:
    """Changes that a filter left out, beyond those that a limit did."""
    changed = sum(change.status is not Status.UNCHANGED for change in report.comparison.changes)
    return max(0, changed - len(report.rows) - report.limited)


def file_facts(report: Report) -> Iterator[tuple[str, str, str]]:
    """What else differs between the two versions of the file: (what, before, after)."""
    before, after = report.comparison.before, report.comparison.after
    if not before or not after:
        return
    facts = [
        ("format", _formats(before), _formats(after)),
        ("shards", str(len(before)), str(len(after))),
        ("size", _size(before), _size(after)),
    ]
    yield from ((what, was, now) for what, was, now in facts if was != now)


def described(shards: tuple[Shard, ...]) -> str:
    """``safetensors, 90.9 MB``; "" where there is no file."""
    if not shards:
        return ""
    several = f", {len(shards)} shards" if len(shards) > 1 else ""
    return f"{_formats(shards)}, {_size(shards)}{several}"


def names_tied(row: Measured) -> tuple[str, ...]:
    """Further names of the same values, now (of a removed parameter: before)."""
    place = row.change.after or row.change.before
    if place is None:
        return ()
    names = (place.entry.name or "", *(view.name for view in place.entry.views))
    return tuple([printable(name) for name in dict.fromkeys(names) if name != place.name])


def _path(one: tuple[Shard, ...], other: tuple[Shard, ...], path: str) -> str:
    if len(one) == len(other) == 1 and other[0].path == path:
        return one[0].path
    return path


def _formats(shards: tuple[Shard, ...]) -> str:
    return ", ".join(dict.fromkeys(printable(shard.manifest.format) for shard in shards))


def _size(shards: tuple[Shard, ...]) -> str:
    return size(sum(shard.manifest.size for shard in shards))
