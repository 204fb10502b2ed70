"""The table of all rows as HTML: read as it is, sorted and searched where scripts run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from git_theta.diffing.base import ChangeStatus, MeasuredChange, Report
from git_theta.diffing.render.markup import Markup, breakable_name, element
from git_theta.diffing.render.rows import Figure, figures_of, format_spec, list_titles, notes_of
from git_theta.diffing.render.totals import count_filtered
from git_theta.words import pluralize

_STATUS_LABELS = {ChangeStatus.SPEC: "reshaped"}


def render_sheet(report: Report, number: int) -> Markup:
    """The table, its search field, and what was left out of it.

    Args:
        report: its rows, in their order.
        number: of the checkpoint on the page: makes ids its own.
    """
    if not report.rows:
        return element("p", *_omission_notes(report))
    search = element("input", type="search", id=f"search-{number}", placeholder="name, status, dtype …", size=32)
    label = element("label", "Search ", search, for_=f"search-{number}")
    told = element("output", for_=f"search-{number}")
    titles = list_titles(report.rows)
    heads = [element("th", title, scope="col", class_=kind or None) for title, kind in _column_heads(titles)]
    table = element(
        "table",
        element("caption", "All parameters that changed", class_="unseen"),
        element("thead", element("tr", *heads)),
        element("tbody", *(_row(row, titles) for row in report.rows)),
        class_="sheet",
    )
    return element(
        "figure",
        element("figcaption", element("h3", "Parameters")),
        element("p", label, told, class_="search", hidden=True),
        element("div", table, class_="scroll", tabindex=0, role="region", aria_label="Parameters"),
        element("p", *_omission_notes(report)),
    )


def _column_heads(titles: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield from [("parameter", ""), ("status", ""), ("dtype and shape", "")]
    yield from ((title, "number") for title in titles)


def _row(row: MeasuredChange, titles: Iterable[str]) -> Markup:
    status = row.change.status
    said = [element("small", words, class_="alarm" if alarming else None) for words, alarming in notes_of(row)]
    found = figures_of(row)
    return element(
        "tr",
        element("th", element("span", breakable_name(row.change.name)), *said, scope="row"),
        element("td", element("span", _STATUS_LABELS.get(status, status.value), class_=f"status {status.value}")),
        element("td", format_spec(row.change)),
        *(_cell(found.get(title)) for title in titles),
    )


def _cell(figure: Figure | None) -> Markup:
    words, value = figure or ("", math.nan)
    return element("td", words, class_="number", data_value=value if math.isfinite(value) else None)


def _omission_notes(report: Report) -> Iterator[str]:
    if report.limited:
        yield f"{pluralize(report.limited, 'more parameter')} changed. "
    if count_filtered(report):
        yield f"{pluralize(count_filtered(report), 'changed parameter')} not asked for."
