"""What a change looks like as a whole: a fine-tune, an adapter, a broken run. A guess from numbers, worded as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from git_theta.checkpoints.shards import is_one_of_several
from git_theta.diffing.base import SAME_VALUES, Change, ChangeStatus, MeasuredChange, Measures, Report
from git_theta.diffing.modules import relative_of
from git_theta.diffing.whole_files import count_pieces, describe_pieces
from git_theta.tensors.dtypes import BY_NAME
from git_theta.words import pluralize

# Where one kind of change ends and the next begins: shares of 1, all of them.
_SPARSE = 0.05
"""Elements of a parameter that differ, at most, for its change to be sparse."""
_LOW_RANK = 0.25
"""Rank of a change over the most that its shape allows, at most, for it to be of low rank."""
_ORTHOGONAL = 0.2
"""Cosine, at most, for two values of a parameter to have nothing to do with each other."""
_SMALL_NORM = 0.5
"""Norm of a change over the norm before, at most, for a fine-tune."""
_NEARLY_ALL = 0.95
"""What "all" and "everywhere" mean, at least."""


class ChangeKind(StrEnum):
    """How one parameter changed."""

    UNCHANGED = "unchanged"
    SPARSE = "sparse"
    LOW_RANK = "low-rank"
    DENSE = "dense"
    NEW = "new"
    """Added, or of another dtype or shape."""
    REMOVED = "removed"
    UNKNOWN = "not-measured"


class Look(StrEnum):
    """What a whole change looks like."""

    UNCHANGED = "unchanged"
    REST = "metadata"
    WHOLE = "kept-whole"
    """No format reads the file, so it has no parameters to compare."""
    RENAMED = "renamed"
    CREATED = "created"
    DELETED = "deleted"
    BROKEN = "broken"
    ONE = "one-parameter"
    CONVERTED = "converted"
    STRUCTURE = "structure"
    ADAPTER = "adapter"
    SPARSE = "sparse"
    RETRAINED = "retrained"
    FINE_TUNE = "fine-tune"
    PARTIAL = "partial-fine-tune"
    MIXED = "mixed"
    UNKNOWN = "not-measured"


class Verdict(NamedTuple):
    """What a change looks like, and a line that says so and on what grounds."""

    look: Look
    text: str


def kind_of(row: MeasuredChange) -> ChangeKind:
    """The kind of change of one parameter, by its measures."""
    status, measures = row.change.status, row.measures
    if status in SAME_VALUES:
        return ChangeKind.UNCHANGED
    if status is ChangeStatus.REMOVED:
        return ChangeKind.REMOVED
    if status in (ChangeStatus.ADDED, ChangeStatus.SPEC):
        return ChangeKind.NEW
    if measures is None or measures.differing is None:
        return ChangeKind.UNKNOWN
    if measures.differing <= _SPARSE * measures.elements:
        return ChangeKind.SPARSE
    return ChangeKind.LOW_RANK if _is_low_rank(row) else ChangeKind.DENSE


def _is_low_rank(row: MeasuredChange) -> bool:
    """Whether the estimated rank of the change is small for the parameter's shape, as an adapter's is."""
    place, measures = row.change.after, row.measures
    if place is None or measures is None or not measures.rank:
        return False
    rows, *columns = place.entry.shape or (1,)
    return measures.rank <= _LOW_RANK * min(rows, math.prod(columns))


def count_new_nonfinite(measures: Measures | None) -> tuple[int, int]:
    """How many NaN and infinite elements appeared."""
    if measures is None:
        return 0, 0
    nan, infinite = (
        after - before for before, after in zip(measures.nonfinite_before, measures.nonfinite_after, strict=True)
    )
    return max(0, nan), max(0, infinite)


def judge_report(report: Report) -> Verdict:
    """What the change looks like, from the rows of the report: of a filtered one, it speaks of these alone."""
    changes = [change for change in report.comparison.changes if change.status is not ChangeStatus.UNCHANGED]
    found = _judge_files(report, changes) or _judge_values(report.rows) or _judge_ids(changes)
    if found is None:
        found = _judge_measures(report)
    unseen = len(report.failures)
    text = f"{found.text}; {unseen} could not be measured" if unseen else found.text
    partial = len(report.rows) < len(changes) and found.look in _LOOKS_OF_ROWS
    return Verdict(found.look, f"of what is shown: {text}" if partial else text)


_LEAST_TOLD = 0.00005
"""What is less is no hundredth of a percent."""
_LOOKS_OF_ROWS = frozenset({Look.ADAPTER, Look.SPARSE, Look.RETRAINED, Look.FINE_TUNE, Look.PARTIAL, Look.MIXED})


def _judge_files(report: Report, changes: Sequence[Change]) -> Verdict | None:
    comparison = report.comparison
    pieces = count_pieces(comparison.before, comparison.after)
    if pieces:
        return Verdict(Look.WHOLE, f"kept whole: {describe_pieces(pieces)}; not compared by parameter")
    if not changes:
        rest = Verdict(Look.REST, "no parameter changed, only what is around them (metadata, order, other values)")
        return rest if comparison.rest_changed else Verdict(Look.UNCHANGED, "no parameter changed")
    statuses = {change.status for change in comparison.changes}
    files = [*comparison.before, *comparison.after]
    is_shard = len(files) == 1 and is_one_of_several(files[0].path)  # all that Git shows its driver
    if not comparison.before and statuses == {ChangeStatus.ADDED}:
        return Verdict(Look.CREATED, "a new shard" if is_shard else "a new checkpoint")
    if not comparison.after and statuses == {ChangeStatus.REMOVED}:
        return Verdict(Look.DELETED, "the shard was removed" if is_shard else "the checkpoint was removed")
    if all(change.status in SAME_VALUES for change in changes):
        return Verdict(Look.RENAMED, "the same values under other names or in other shards")
    return None


def _judge_values(rows: Sequence[MeasuredChange]) -> Verdict | None:
    bad = sum(any(count_new_nonfinite(row.measures)) for row in rows)
    if bad:
        return Verdict(Look.BROKEN, f"looks broken: NaN or infinite values appeared in {pluralize(bad, 'parameter')}")
    return None


def _judge_ids(changes: Sequence[Change]) -> Verdict | None:
    valued = [change for change in changes if change.status not in SAME_VALUES]
    changed = [change for change in valued if change.status is ChangeStatus.CHANGED]
    if len(valued) == 1 and changed:
        return Verdict(Look.ONE, "one parameter changed")
    if all(_is_converted(change) for change in valued):
        return Verdict(
            Look.CONVERTED, f"looks like a conversion: {pluralize(len(valued), 'parameter')} of another dtype"
        )
    if not changed:
        return Verdict(Look.STRUCTURE, "parameters were added, removed or reshaped; the others kept their values")
    return None


def _judge_measures(report: Report) -> Verdict:
    rows = [row for row in report.rows if row.change.status is ChangeStatus.CHANGED and row.measures]
    elements = sum(_measured_elements(row) for row in rows)
    if not elements:
        return Verdict(Look.UNKNOWN, "values were not compared")
    differing = sum(row.measures.differing or 0 for row in rows if row.measures) / elements
    low = [row for row in rows if kind_of(row) is ChangeKind.LOW_RANK]
    if sum(map(_measured_elements, low)) >= _NEARLY_ALL * elements:
        ranks = sorted(row.measures.rank for row in low if row.measures and row.measures.rank)
        span = f"{ranks[0]}" if ranks[0] == ranks[-1] else f"{ranks[0]} to {ranks[-1]}"
        return Verdict(Look.ADAPTER, f"looks like a merged adapter: {pluralize(len(low), 'change')} of rank ~{span}")
    if differing <= _SPARSE:
        return Verdict(Look.SPARSE, f"looks like a sparse update: {differing:.2%} of the elements touched differ")
    return _judge_training(report, rows)


def _judge_training(report: Report, rows: Sequence[MeasuredChange]) -> Verdict:
    floats = [row for row in rows if _is_float(row.change)]
    measured = [row for row in floats if row.measures and row.measures.cosine is not None]
    total = sum(map(_measured_elements, measured))
    strange = [row for row in measured if row.measures and abs(row.measures.cosine or 0) <= _ORTHOGONAL]
    if total and sum(map(_measured_elements, strange)) >= total / 2:
        words = "looks retrained: most values have nothing to do with those before (cosine near 0)"
        return Verdict(Look.RETRAINED, words)
    calm = [row for row in measured if row.measures and (row.measures.relative or 0) <= _SMALL_NORM]
    there = sum(change.after is not None and _is_float(change) for change in report.comparison.changes)
    if not total or sum(map(_measured_elements, calm)) < _NEARLY_ALL * total:
        return Verdict(Look.MIXED, f"{pluralize(len(rows), 'parameter')} changed, in no way that one word fits")
    share = relative_of(floats) or 0.0
    together = f"{share:.2%}" if share >= _LEAST_TOLD else "less than 0.01%"
    moved = f"{len(floats)} of {there} floating-point parameters moved a little ({together} together)"
    if len(floats) < _NEARLY_ALL * there:
        return Verdict(Look.PARTIAL, f"looks like a fine-tune of a part: {moved}")
    return Verdict(Look.FINE_TUNE, f"looks like a fine-tune: {moved}")


def _is_converted(change: Change) -> bool:
    before, after = change.before, change.after
    return bool(
        change.status is ChangeStatus.SPEC
        and before
        and after
        and before.entry.shape == after.entry.shape
        and before.entry.dtype != after.entry.dtype
    )


def _is_float(change: Change) -> bool:
    place = change.after or change.before
    dtype = BY_NAME.get(place.entry.dtype) if place else None
    return dtype is not None and dtype.is_floating


def _measured_elements(row: MeasuredChange) -> int:
    return row.measures.elements if row.measures else 0
