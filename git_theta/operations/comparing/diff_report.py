"""Two versions of a checkpoint to a report: what changed, and by how much, streamed on the desk's workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from git_theta import parameters
from git_theta.diffing.base import Change, Comparison, Measured, Measures, Report, Status
from git_theta.errors import MissingObject, ThetaError, UsageError
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.availability import require
from git_theta.operations.context import Desk
from git_theta.operations.workers import HELD
from git_theta.tensors.arrays import Buffer, Parallel

if TYPE_CHECKING:
    from concurrent.futures import Future

MEASURED = ("norm", "relative", "largest", "cosine", "differing", "rank")
SORTS = ("file", "name", *MEASURED, "stored")
"""Keys to sort rows by. "file" is the order of the file, "name" that of names. By a number the largest come first, but
for cosine and rank, where the smallest do; rows without that number come last."""


def _all(_: Change) -> bool:
    """Every change."""
    return True


def diff(
    comparison: Comparison,
    desk: Desk,
    *,
    labels: tuple[str, str] = ("", ""),
    values: bool = True,
    keep: Callable[[Change], bool] = _all,
    sort: str = "file",
    limit: int | None = None,
) -> Report:
    """The report on two versions.

    Args:
        comparison: what ``compare`` found.
        desk: store and workers; asked once to fetch what is missing.
        labels: what people call the versions.
        values: measure them; otherwise no tensor is read, and numpy stays unimported.
        keep: which changes are to be rows; unchanged parameters never are.
        sort: one of SORTS.
        limit: how many rows to keep, after sorting.

    A row whose values cannot be had says why (``failure``); the others are reported all the same. ``rest`` of the
    comparison is true where ids could not tell, but the format can: what differs follows from the parameters.

    Raises UsageError for a sort key that does not exist.
    """
    if sort not in SORTS:
        raise UsageError(f"rows cannot be sorted by {sort}", hint=f"Sort by one of {', '.join(SORTS)}.")
    changes = [change for change in comparison.changes if change.status is not Status.UNCHANGED and keep(change)]
    rows = [Measured(change) for change in changes]
    if sort not in MEASURED:  # so that nothing is measured in vain
        rows = sorted(rows, key=_KEYS[sort])[:limit]
    if values:
        _ask_for((entry for row in rows for entry in _entries(row.change)), desk)
        rows = _all_measured([row.change for row in rows], desk)
    rows = sorted(rows, key=_KEYS[sort])[:limit]
    comparison = comparison._replace(rest=comparison.rest and _differs_otherwise(comparison, desk))
    return Report(comparison, tuple(rows), labels, len(changes) - len(rows))


def _entries(change: Change) -> list[Entry]:
    """What has to be read for the measures of a change."""
    if change.status in (Status.RENAMED, Status.MOVED):
        return []
    return [place.entry for place in (change.before, change.after) if place]


def _ask_for(entries: Iterable[Entry], desk: Desk) -> None:
    """Fetch what is missing. The rows of what nobody has will say so."""
    with suppress(MissingObject):
        require(entries, desk)


def _all_measured(changes: Iterable[Change], desk: Desk) -> list[Measured]:
    from git_theta.tensors.blas import one_thread

    with one_thread():
        return list(_measured(changes, desk))


def _measured(changes: Iterable[Change], desk: Desk) -> Iterator[Measured]:
    """The rows in order, several at a time: small tensors one to a core, large ones over all of them."""
    ahead: deque[Future[Measured]] = deque()
    for change in changes:
        if max((entry.size for entry in _entries(change)), default=0) <= HELD:
            ahead.append(desk.workers.cores.submit(_row, change, desk, map))
        else:
            ahead.append(desk.workers.lanes.submit(_row, change, desk, desk.workers.map))
        if len(ahead) > 2 * desk.workers.count:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _row(change: Change, desk: Desk, parallel: Parallel) -> Measured:
    from git_theta.diffing.measure import measure

    def read(entry: Entry) -> Iterator[Buffer]:
        for piece in parameters.read(entry, desk.store, parallel):
            yield piece
            desk.progress(len(piece))

    try:
        return Measured(change, measure(change, read))
    except ThetaError as error:
        return Measured(change, failure=error.message)
    except OSError as error:
        return Measured(change, failure=f"cannot be read: {error.strerror}")


def _differs_otherwise(comparison: Comparison, desk: Desk) -> bool:
    """Whether anything but parameters changed, as far as one can tell without fetching."""
    from git_theta.operations.templates import follows

    if len(comparison.before) != 1 or len(comparison.after) != 1:
        return True
    before, after = comparison.before[0].manifest, comparison.after[0].manifest
    if _runs(before) != _runs(after) or any(
        desk.store.size(part.storage.object) is None for part in _nameless(before, after)
    ):
        return True
    try:
        return not follows(after, before, desk)
    except ThetaError:  # too large, damaged, or of a format that is not installed: ids have the last word
        return True


def _runs(manifest: Manifest) -> list[str]:
    return [entry.oid for entry in manifest.entries if entry.name is None]


def _nameless(*manifests: Manifest) -> Iterator[Entry]:
    return (part for manifest in manifests for part in manifest.parts() if part.name is None)


def _by(number: Callable[[Measures], float | None], direction: int = -1) -> Callable[[Measured], tuple[bool, float]]:
    """A key that sorts by a measure, the largest first or (1) the smallest; what has none comes last."""

    def key(row: Measured) -> tuple[bool, float]:
        value = number(row.measures) if row.measures else None
        return value is None, direction * (value or 0)

    return key


_KEYS: dict[str, Callable[[Measured], Any]] = {
    "file": lambda _: 0,
    "name": lambda row: row.change.name,
    "norm": _by(lambda measures: measures.norm),
    "relative": _by(lambda measures: measures.relative),
    "largest": _by(lambda measures: measures.largest),
    "cosine": _by(lambda measures: measures.cosine, 1),
    "differing": _by(lambda measures: measures.differing and measures.differing / measures.elements),
    "rank": _by(lambda measures: measures.rank, 1),
    "stored": lambda row: -row.change.stored,
}
