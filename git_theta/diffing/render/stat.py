"""What changed as statistics and as bare names: like ``git diff --stat`` and ``--name-only``, but of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.diffing.base import MeasuredChange, Report
from git_theta.diffing.render.colors import Palette, choose_palette, paint
from git_theta.diffing.render.rows import SIGNS, shorten_name
from git_theta.diffing.render.totals import count_filtered, format_counts, sum_changes, summarize_report
from git_theta.diffing.whole_files import count_pieces
from git_theta.words import escape_unprintable, humanize_size, pluralize

_BAR_WIDTH = 12
"""Columns of the longest bar."""
_MIN_NAME = 20


def render_stat(reports: Sequence[Report], *, color: bool, width: int) -> str:
    """A line for each parameter: its name, the bytes of it that were stored, a bar; and a line of sums.

    Args:
        reports: a comparison each; those in which nothing changed print nothing.
        color: whether to use Git's colours.
        width: columns of the terminal.
    """
    colors = choose_palette(color)
    shown = [report for report in reports if report.rows or report.comparison.rest_changed or _count_unshown(report)]
    lines = [line for report in shown for line in _lines(report, colors, width)]
    return "".join(f"{line}\n" for line in [*lines, *_total_lines(shown)])


def render_names(reports: Sequence[Report]) -> str:
    """``path<TAB>name`` for each parameter; the path alone where only what is no parameter changed."""
    return "".join(
        f"{line}\n"
        for report in reports
        for line in _name_lines(escape_unprintable(report.comparison.path), report.rows, report.comparison.rest_changed)
    )


def _name_lines(path: str, rows: Sequence[MeasuredChange], rest: bool) -> Iterator[str]:
    yield from (f"{path}\t{escape_unprintable(row.change.name)}" for row in rows)
    if rest and not rows:
        yield path


def _lines(report: Report, colors: Palette, width: int) -> Iterator[str]:
    yield f" {paint(escape_unprintable(report.comparison.path), colors.meta)}"
    if report.comparison.rest_changed and not report.rows:
        whole = count_pieces(report.comparison.before, report.comparison.after)
        yield f"   ({summarize_report(report) if whole else 'metadata, order, other values'})"
    sizes = [humanize_size(row.change.stored_bytes) for row in report.rows]
    wide = max(map(len, sizes), default=0)
    longest = max((len(escape_unprintable(row.change.name)) for row in report.rows), default=0)
    room = min(longest, max(_MIN_NAME, width - len("   ") - len(" | ") - wide - 1 - _BAR_WIDTH))
    most = max((row.change.stored_bytes for row in report.rows), default=0)
    for row, said in zip(report.rows, sizes, strict=True):
        name = shorten_name(escape_unprintable(row.change.name), room)
        yield f"   {name:{room}} | {said:>{wide}} {_bar(row, most, colors)}"
    if _count_unshown(report):
        yield f"   ... and {pluralize(_count_unshown(report), 'more parameter')}"


def _bar(row: MeasuredChange, most: int, colors: Palette) -> str:
    """A sign for each share of the largest, one at least."""
    length = max(1, round(_BAR_WIDTH * row.change.stored_bytes / most)) if most else 1
    return paint(SIGNS[row.change.status] * length, colors.color_of(row.change.status))


def _total_lines(reports: Sequence[Report]) -> Iterator[str]:
    if reports:
        sums = sum_changes(change for report in reports for change in report.comparison.changes)
        counts = format_counts(sums.counts) or "none changed"
        checkpoints = f"{pluralize(len(reports), 'checkpoint')}, " if len(reports) > 1 else ""
        parameters = pluralize(sums.parameters, "parameter")
        whole = [found for one in reports if (found := count_pieces(one.comparison.before, one.comparison.after))]
        if len(whole) < len(reports):
            yield f" {checkpoints}{counts}, of {parameters}; {humanize_size(sums.stored_bytes)} stored"


def _count_unshown(report: Report) -> int:
    return report.limited + count_filtered(report)
