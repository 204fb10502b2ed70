"""A report as text for a terminal, to stand among what ``git diff`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Report
from git_theta.diffing.modules import ModuleChanges, group_by_module
from git_theta.diffing.render.colors import Palette, choose_palette, paint
from git_theta.diffing.render.formatting import format_percent
from git_theta.diffing.render.table import TableLine, lay_out_lines
from git_theta.diffing.render.totals import (
    count_filtered,
    file_differences,
    format_counts,
    path_before,
    summarize_report,
)
from git_theta.diffing.verdict import Look, Verdict, judge_report
from git_theta.words import escape_unprintable, humanize_size, pluralize

_GROUP_ABOVE = 8
"""Rows above which modules get a line of their own."""


def render_report(report: Report, *, color: bool, width: int) -> str:
    """The report, each line ended by a newline; "" where nothing changed.

    Args:
        report: what is printed.
        color: whether to use Git's colours.
        width: columns of the terminal. Names are shortened to fit, but never their last component.
    """
    colors = choose_palette(color)
    if not (report.rows or report.limited or count_filtered(report) or report.comparison.rest_changed):
        return ""
    found = judge_report(report)
    head = [*_header(report, colors), *_verdict(found, report, colors)]
    body = lay_out_lines(tuple(_table_lines(report)), colors, width, hints=found.look is not Look.ADAPTER)
    return "".join(f"{line}\n" for line in [*head, *body, *_ending(report)])


def _header(report: Report, colors: Palette) -> Iterator[str]:
    before, after = report.comparison.before, report.comparison.after
    old, new = escape_unprintable(path_before(report)), escape_unprintable(report.comparison.path)
    yield paint(f"diff --theta a/{old} b/{new}", colors.meta)
    if not before or not after:
        yield paint("new file" if after else "deleted file", colors.meta)
    if old != new:
        yield paint(f"rename from {old}", colors.meta)
        yield paint(f"rename to {new}", colors.meta)
    for what, was, now in file_differences(report):
        yield paint(f"{what} {was} -> {now}", colors.meta)
    yield paint(_side("---", f"a/{old}", before, report.labels[0]), colors.meta)
    yield paint(_side("+++", f"b/{new}", after, report.labels[1]), colors.meta)
    yield paint(f"@@ {summarize_report(report)} @@", colors.frag)


def _side(sign: str, path: str, shards: Sequence[Shard], label: str) -> str:
    said = f" ({escape_unprintable(label)})" if label else ""
    return f"{sign} {path if shards else '/dev/null'}{said}"


def _verdict(found: Verdict, report: Report, colors: Palette) -> Iterator[str]:
    if found.look is not Look.UNKNOWN:
        yield paint(found.text, colors.old if found.look is Look.BROKEN else "")
    if report.comparison.rest_changed and found.look not in (Look.REST, Look.WHOLE):
        yield "also changed: what is no parameter (metadata, order, other values)"


def _ending(report: Report) -> Iterator[str]:
    if report.limited:
        yield f"... and {pluralize(report.limited, 'more parameter')}"
    filtered = count_filtered(report)
    if filtered:
        yield f"({pluralize(filtered, 'changed parameter')} not asked for)"
    if report.failures:
        yield f"{pluralize(len(report.failures), 'parameter')} could not be measured"


def _table_lines(report: Report) -> Iterator[TableLine]:
    """In file order, modules of several rows under a line of their own; in another order, every row by itself."""
    if len(report.rows) <= _GROUP_ABOVE or not _is_in_file_order(report):
        yield from (TableLine(row) for row in report.rows)
        return
    for module in group_by_module(report.rows):
        alone = len(module.rows) == 1 or not module.name
        if not alone:
            yield TableLine(heading=_heading(module))
        yield from (TableLine(row, under="" if alone else module.name) for row in module.rows)


def _is_in_file_order(report: Report) -> bool:
    places = {id(change): place for place, change in enumerate(report.comparison.changes)}
    order = [places.get(id(row.change), -1) for row in report.rows]
    return order == sorted(order)


def _heading(module: ModuleChanges) -> tuple[str, ...]:
    """A module's name and its sums."""
    moved = [f"relative {format_percent(module.relative)}"] if module.relative is not None else []
    stored = [f"{humanize_size(module.stored_bytes)} stored"] if module.stored_bytes else []
    return escape_unprintable(module.name), format_counts(module.counts), *moved, *stored
