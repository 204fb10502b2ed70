"""Two versions of a checkpoint to a report: what changed, and by how much, streamed on the context's workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from git_theta.diffing.base import Change, ChangeStatus, Comparison, MeasuredChange, Measures, Report
from git_theta.errors import MissingObject, ThetaError, UsageError
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.parameters.value_decoding import read_values
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer, Parallel

if TYPE_CHECKING:
    from concurrent.futures import Future

MEASURE_SORTS = ("norm", "relative", "largest", "cosine", "differing", "rank")
SORTS = ("file", "name", *MEASURE_SORTS, "stored")
"""Keys to sort rows by, beside what is measured at a person's wish. "file" is the order of the file, "name" that of
names. By a number the largest come first, but for cosine and rank, where the smallest do; rows without that number come
last."""


def _keep_all(_: Change) -> bool:
    """Every change."""
    return True


def build_report(
    comparison: Comparison,
    context: Context,
    *,
    labels: tuple[str, str] = ("", ""),
    values: bool = True,
    keep: Callable[[Change], bool] = _keep_all,
    sort: str = "file",
    limit: int | None = None,
    measures: Sequence[str] = (),
) -> Report:
    """The report on two versions.

    Args:
        comparison: what ``compare_checkpoint`` found.
        context: store and workers; asked once to fetch what is missing.
        labels: what people call the versions.
        values: measure them; otherwise no tensor is read, and numpy stays unimported.
        keep: which changes are to be rows; unchanged parameters never are.
        sort: one of SORTS, or of ``measures``.
        limit: how many rows to keep, after sorting.
        measures: names of what is measured beside what every report has.

    A row whose values cannot be had says why (``failure``); the others are reported all the same. The
    report's ``rest_changed`` is the comparison's, but for what the format can tell and ids cannot: that all that
    differs follows from the parameters.

    Raises UsageError for a sort key that does not exist.
    """
    if sort not in (*SORTS, *measures):
        raise UsageError(
            f"rows cannot be sorted by {sort}", hint=f"Sort by one of {', '.join(dict.fromkeys((*SORTS, *measures)))}."
        )
    key = _SORT_KEYS.get(sort) or _sort_key(lambda found: _find_value(found, sort))
    changes = [change for change in comparison.changes if change.status is not ChangeStatus.UNCHANGED and keep(change)]
    rows = [MeasuredChange(change) for change in changes]
    if sort in SORTS and sort not in MEASURE_SORTS:  # so that nothing is measured in vain
        rows = sorted(rows, key=key)[:limit]
    if values:
        _fetch_missing((entry for row in rows for entry in _entries_of(row.change)), context)
        rows = _measure_all([row.change for row in rows], context, measures)
    rows = sorted(rows, key=key)[:limit]
    comparison = comparison._replace(rest_changed=comparison.rest_changed and _has_other_changes(comparison, context))
    return Report(comparison, tuple(rows), labels, len(changes) - len(rows))


def _entries_of(change: Change) -> list[Entry]:
    """What has to be read for the measures of a change."""
    if change.status in (ChangeStatus.RENAMED, ChangeStatus.MOVED):
        return []
    return [place.entry for place in (change.before, change.after) if place]


def _fetch_missing(entries: Iterable[Entry], context: Context) -> None:
    """Fetch what is missing. A row whose objects cannot be had says so."""
    with suppress(MissingObject):
        require_entries(entries, context)


def _measure_all(changes: Iterable[Change], context: Context, measures: Sequence[str]) -> list[MeasuredChange]:
    from git_theta.tensors.blas import one_thread

    with one_thread():
        return list(_measure_ahead(changes, context, measures))


def _measure_ahead(changes: Iterable[Change], context: Context, measures: Sequence[str]) -> Iterator[MeasuredChange]:
    """The rows in order, several at a time: here small tensors one to a core, large ones over all of them."""
    measure = partial(measure_row, context.store, context.progress, tuple(measures))
    if context.engine is not context.workers:
        yield from context.engine.map(partial(measure, map), changes)
        return
    ahead: deque[Future[MeasuredChange]] = deque()
    for change in changes:
        if max((entry.size for entry in _entries_of(change)), default=0) <= WHOLE_LIMIT:
            ahead.append(context.workers.cores.submit(measure, map, change))
        else:
            ahead.append(context.workers.lanes.submit(measure, context.workers.map, change))
        if len(ahead) > 2 * context.workers.count:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def measure_row(
    store: Store, progress: Callable[[int], None], measures: Sequence[str], parallel: Parallel, change: Change
) -> MeasuredChange:
    """The numbers of a change, or why there are none: a task. Counts the bytes that are read."""
    from git_theta.diffing.measure import measure_change

    def read(entry: Entry) -> Iterator[Buffer]:
        for piece in read_values(entry, store, parallel):
            yield piece
            progress(len(piece))

    try:
        return MeasuredChange(change, measure_change(change, read, measures))
    except ThetaError as error:
        return MeasuredChange(change, failure=error.message)
    except OSError as error:
        return MeasuredChange(change, failure=f"cannot be read: {error.strerror}")


def _has_other_changes(comparison: Comparison, context: Context) -> bool:
    """Whether anything but parameters changed, as far as one can tell without fetching."""
    from git_theta.operations.templates import is_same_frame

    if len(comparison.before) != 1 or len(comparison.after) != 1:
        return True
    before, after = comparison.before[0].manifest, comparison.after[0].manifest
    if _unnamed_oids(before) != _unnamed_oids(after) or any(
        context.store.size(oid) is None for part in _unnamed_parts(before, after) for oid in part.storage.objects()
    ):
        return True
    try:
        return not is_same_frame(after, before, context)
    except ThetaError:  # too large, damaged, or of a format that is not installed: ids have the last word
        return True


def _unnamed_oids(manifest: Manifest) -> list[str]:
    return [entry.oid for entry in manifest.entries if entry.name is None]


def _unnamed_parts(*manifests: Manifest) -> Iterator[Entry]:
    return (part for manifest in manifests for part in manifest.parts() if part.name is None)


def _sort_key(
    number: Callable[[Measures], float | None], direction: int = -1
) -> Callable[[MeasuredChange], tuple[bool, float]]:
    """A key that sorts by a measure, the largest first or (1) the smallest; what has none comes last."""

    def key(row: MeasuredChange) -> tuple[bool, float]:
        value = number(row.measures) if row.measures else None
        return value is None, direction * (value or 0)

    return key


def _find_value(measures: Measures, name: str) -> float | None:
    """What a measure of the family found."""
    return next((one.value for one in measures.further if one.name == name), None)


_SORT_KEYS: dict[str, Callable[[MeasuredChange], Any]] = {
    "file": lambda _: 0,
    "name": lambda row: row.change.name,
    "norm": _sort_key(lambda measures: measures.norm),
    "relative": _sort_key(lambda measures: measures.relative),
    "largest": _sort_key(lambda measures: measures.largest),
    "cosine": _sort_key(lambda measures: measures.cosine, 1),
    "differing": _sort_key(lambda measures: measures.differing and measures.differing / measures.elements),
    "rank": _sort_key(lambda measures: measures.rank, 1),
    "stored": lambda row: -row.change.stored_bytes,
}
