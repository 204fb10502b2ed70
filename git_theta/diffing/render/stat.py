"""What changed as statistics and as bare names: like ``git diff --stat`` and ``--name-only``, but of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.diffing.base import Measured, Report
from git_theta.diffing.render.colors import Palette, paint, palette
from git_theta.diffing.render.rows import SIGNS, shortened
from git_theta.diffing.render.totals import left_out, listed_counts, totals
from git_theta.words import count, printable, size

_BAR = 12
"""Columns of the longest bar."""
_SHORTEST = 20


def render(reports: Sequence[Report], *, color: bool, width: int) -> str:
    """A line for each parameter: its name, the bytes of it that were stored, a bar; and a line of sums.

    Args:
        reports: a comparison each; those in which nothing changed print nothing.
        color: whether to use Git's colours.
        width: columns of the terminal.
    """
    colors = palette(color)
    shown = [report for report in reports if report.rows or report.comparison.rest or _unshown(report)]
    lines = [line for report in shown for line in _lines(report, colors, width)]
    return "".join(f"{line}\n" for line in [*lines, *_sums(shown)])


def names(reports: Sequence[Report]) -> str:
    """``path<TAB>name`` for each parameter; the path alone where only what is no parameter changed."""
    return "".join(
        f"{line}\n"
        for report in reports
        for line in _names(printable(report.comparison.path), report.rows, report.comparison.rest)
    )


def _names(path: str, rows: Sequence[Measured], rest: bool) -> Iterator[str]:
    yield from (f"{path}\t{printable(row.change.name)}" for row in rows)
    if rest and not rows:
        yield path


def _lines(report: Report, colors: Palette, width: int) -> Iterator[str]:
    yield f" {paint(printable(report.comparison.path), colors.meta)}"
    if report.comparison.rest and not report.rows:
        yield "   (metadata, order, other values)"
    sizes = [size(row.change.stored) for row in report.rows]
    wide = max(map(len, sizes), default=0)
    longest = max((len(printable(row.change.name)) for row in report.rows), default=0)
    room = min(longest, max(_SHORTEST, width - len("   ") - len(" | ") - wide - 1 - _BAR))
    most = max((row.change.stored for row in report.rows), default=0)
    for row, said in zip(report.rows, sizes, strict=True):
        name = shortened(printable(row.change.name), room)
        yield f"   {name:{room}} | {said:>{wide}} {_bar(row, most, colors)}"
    if _unshown(report):
        yield f"   ... and {count(_unshown(report), 'more parameter')}"


def _bar(row: Measured, most: int, colors: Palette) -> str:
    """A sign for each share of the largest, one at least."""
    length = max(1, round(_BAR * row.change.stored / most)) if most else 1
    return paint(SIGNS[row.change.status] * length, colors.of(row.change.status))


def _sums(reports: Sequence[Report]) -> Iterator[str]:
    if reports:
        sums = totals(change for report in reports for change in report.comparison.changes)
        counts = listed_counts(sums.counts) or "none changed"
        checkpoints = f"{count(len(reports), 'checkpoint')}, " if len(reports) > 1 else ""
        yield f" {checkpoints}{counts}, of {count(sums.parameters, 'parameter')}; {size(sums.stored)} stored"


def _unshown(report: Report) -> int:
    return report.limited + left_out(report)
