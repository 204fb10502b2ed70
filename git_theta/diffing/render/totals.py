"""What every rendering says of a whole comparison: how many parameters, elements and bytes, in which state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Change, ChangeStatus, MeasuredChange, Report
from git_theta.diffing.render.formatting import format_magnitude
from git_theta.diffing.whole_files import count_pieces, describe_pieces
from git_theta.words import escape_unprintable, humanize_size, pluralize

STATUS_WORDS = {
    ChangeStatus.CHANGED: "changed",
    ChangeStatus.SPEC: "of another dtype or shape",
    ChangeStatus.ADDED: "added",
    ChangeStatus.REMOVED: "removed",
    ChangeStatus.RENAMED: "renamed",
    ChangeStatus.MOVED: "moved",
}


class ChangeTotals(NamedTuple):
    """Sums over changes: parameters by status, of how many, elements of those that are not as before, bytes stored."""

    counts: dict[ChangeStatus, int]
    parameters: int
    elements: int
    stored_bytes: int


def sum_changes(changes: Iterable[Change]) -> ChangeTotals:
    """The sums over some changes."""
    changes = tuple(changes)
    counts = Counter(change.status for change in changes)
    touched = [change for change in changes if change.status is not ChangeStatus.UNCHANGED]
    return ChangeTotals(
        {status: counts[status] for status in ChangeStatus if counts[status]},
        len(changes),
        sum(map(elements_of, touched)),
        sum(change.stored_bytes for change in touched),
    )


def elements_of(change: Change) -> int:
    """How many elements the parameter has; of a removed one, had."""
    place = change.after or change.before
    return math.prod(place.entry.shape) if place else 0


def summarize_report(report: Report) -> str:
    """One line: ``2 changed, 1 added, of 103 parameters; 442 k elements; 1.2 MB stored``."""
    pieces = count_pieces(report.comparison.before, report.comparison.after)
    if pieces:
        return f"kept whole, {describe_pieces(pieces)}; {humanize_size(pieces.stored_bytes)} stored"
    sums = sum_changes(report.comparison.changes)
    of = f"of {pluralize(sums.parameters, 'parameter')}"
    counts = format_counts(sums.counts)
    if not counts:
        return f"none changed {of}"
    return f"{counts}, {of}; {format_magnitude(sums.elements)} elements; {humanize_size(sums.stored_bytes)} stored"


def format_counts(counts: Mapping[ChangeStatus, int]) -> str:
    """``2 changed, 1 added``; what is unchanged goes without saying."""
    return ", ".join(
        f"{number:,} {STATUS_WORDS[status]}" for status, number in counts.items() if status in STATUS_WORDS
    )


def path_before(report: Report) -> str:
    """What the checkpoint was called before: its former path where a single file was renamed."""
    return _former_path(report.comparison.before, report.comparison.after, report.comparison.path)


def count_filtered(report: Report) -> int:
    """Changes that a filter left out, beyond those that a limit did."""
    changed = sum(change.status is not ChangeStatus.UNCHANGED for change in report.comparison.changes)
    return max(0, changed - len(report.rows) - report.limited)


def file_differences(report: Report) -> Iterator[tuple[str, str, str]]:
    """What else differs between the two versions of the file: (what, before, after)."""
    before, after = report.comparison.before, report.comparison.after
    if not before or not after:
        return
    facts = [
        ("format", _format_names(before), _format_names(after)),
        ("shards", str(len(before)), str(len(after))),
        ("size", _total_size(before), _total_size(after)),
    ]
    yield from ((what, was, now) for what, was, now in facts if was != now)


def describe_shards(shards: tuple[Shard, ...]) -> str:
    """``safetensors, 90.9 MB``; "" where there is no file."""
    if not shards:
        return ""
    several = f", {len(shards)} shards" if len(shards) > 1 else ""
    return f"{_format_names(shards)}, {_total_size(shards)}{several}"


def other_names(row: MeasuredChange) -> tuple[str, ...]:
    """Further names of the same values, now (of a removed parameter: before)."""
    place = row.change.after or row.change.before
    if place is None:
        return ()
    names = (place.entry.name or "", *(view.name for view in place.entry.views))
    return tuple([escape_unprintable(name) for name in dict.fromkeys(names) if name != place.name])


def _former_path(one: tuple[Shard, ...], other: tuple[Shard, ...], path: str) -> str:
    if len(one) == len(other) == 1 and other[0].path == path:
        return one[0].path
    return path


def _format_names(shards: tuple[Shard, ...]) -> str:
    return ", ".join(dict.fromkeys(escape_unprintable(shard.manifest.format) for shard in shards))


def _total_size(shards: tuple[Shard, ...]) -> str:
    return humanize_size(sum(shard.manifest.size for shard in shards))
