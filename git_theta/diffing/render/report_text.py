"""A report as text for a terminal, to stand among what ``git diff`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Report
from git_theta.diffing.modules import Module, by_module
from git_theta.diffing.render.colors import Palette, paint, palette
from git_theta.diffing.render.formatting import percent
from git_theta.diffing.render.table import Line, laid_out
from git_theta.diffing.render.totals import file_facts, left_out, listed_counts, path_before, summary
from git_theta.diffing.verdict import Look, Verdict, verdict
from git_theta.words import count, printable, size

_MANY = 8
"""Rows above which modules get a line of their own."""


def render(report: Report, *, color: bool, width: int) -> str:
    """The report, each line ended by a newline; "" where nothing changed.

    Args:
        report: what is printed.
        color: whether to use Git's colours.
        width: columns of the terminal. Names are shortened to fit, but never their last component.
    """
    colors = palette(color)
    if not (report.rows or report.limited or left_out(report) or report.comparison.rest):
        return ""
    found = verdict(report)
    head = [*_header(report, colors), *_verdict(found, report, colors)]
    body = laid_out(tuple(_lines(report)), colors, width, hints=found.look is not Look.ADAPTER)
    return "".join(f"{line}\n" for line in [*head, *body, *_ending(report)])


def _header(report: Report, colors: Palette) -> Iterator[str]:
    before, after = report.comparison.before, report.comparison.after
    old, new = printable(path_before(report)), printable(report.comparison.path)
    yield paint(f"diff --theta a/{old} b/{new}", colors.meta)
    if not before or not after:
        yield paint("new file" if after else "deleted file", colors.meta)
    if old != new:
        yield paint(f"rename from {old}", colors.meta)
        yield paint(f"rename to {new}", colors.meta)
    for what, was, now in file_facts(report):
        yield paint(f"{what} {was} -> {now}", colors.meta)
    yield paint(_side("---", f"a/{old}", before, report.labels[0]), colors.meta)
    yield paint(_side("+++", f"b/{new}", after, report.labels[1]), colors.meta)
    yield paint(f"@@ {summary(report)} @@", colors.frag)


def _side(sign: str, path: str, shards: Sequence[Shard], label: str) -> str:
    said = f" ({printable(label)})" if label else ""
    return f"{sign} {path if shards else '/dev/null'}{said}"


def _verdict(found: Verdict, report: Report, colors: Palette) -> Iterator[str]:
    if found.look is not Look.UNKNOWN:
        yield paint(found.text, colors.old if found.look is Look.BROKEN else "")
    if report.comparison.rest and found.look is not Look.REST:
        yield "also changed: what is no parameter (metadata, order, other values)"


def _ending(report: Report) -> Iterator[str]:
    if report.limited:
        yield f"... and {count(report.limited, 'more parameter')}"
    filtered = left_out(report)
    if filtered:
        yield f"({count(filtered, 'changed parameter')} not asked for)"
    if report.failures:
        yield f"{count(len(report.failures), 'parameter')} could not be read"


def _lines(report: Report) -> Iterator[Line]:
    """In file order, modules of several rows under a line of their own; in another order, every row by itself."""
    if len(report.rows) <= _MANY or not _in_file_order(report):
        yield from (Line(row) for row in report.rows)
        return
    for module in by_module(report.rows):
        alone = len(module.rows) == 1 or not module.name
        if not alone:
            yield Line(heading=_heading(module))
        yield from (Line(row, under="" if alone else module.name) for row in module.rows)


def _in_file_order(report: Report) -> bool:
    places = {id(change): place for place, change in enumerate(report.comparison.changes)}
    order = [places.get(id(row.change), -1) for row in report.rows]
    return order == sorted(order)


def _heading(module: Module) -> tuple[str, ...]:
    """A module's name and its sums."""
    moved = [f"relative {percent(module.relative)}"] if module.relative is not None else []
    stored = [f"{size(module.stored)} stored"] if module.stored else []
    return printable(module.name), listed_counts(module.counts), *moved, *stored
