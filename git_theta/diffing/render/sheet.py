"""The table of all rows as HTML: read as it is, sorted and searched where scripts run."""

from __future__ import annotations

import math
from collections.abc import Iterator

from git_theta.diffing.base import Measured, Report, Status
from git_theta.diffing.render.markup import Markup, breakable, element
from git_theta.diffing.render.rows import TITLES, Figure, figures, notes, spec
from git_theta.diffing.render.totals import left_out
from git_theta.words import count

_WORDS = {Status.SPEC: "reshaped"}


def sheet(report: Report, number: int) -> Markup:
    """The table, its search field, and what was left out of it.

    Args:
        report: its rows, in their order.
        number: of the checkpoint on the page: makes ids its own.
    """
    if not report.rows:
        return element("p", *_unshown(report))
    search = element("input", type="search", id=f"search-{number}", placeholder="name, status, dtype …", size=32)
    label = element("label", "Search ", search, for_=f"search-{number}")
    told = element("output", for_=f"search-{number}")
    heads = [element("th", title, scope="col", class_=kind or None) for title, kind in _heads()]
    table = element(
        "table",
        element("caption", "All parameters that changed", class_="unseen"),
        element("thead", element("tr", *heads)),
        element("tbody", *map(_row, report.rows)),
        class_="sheet",
    )
    return element(
        "figure",
        element("figcaption", element("h3", "Parameters")),
        element("p", label, told, class_="search", hidden=True),
        element("div", table, class_="scroll", tabindex=0, role="region", aria_label="Parameters"),
        element("p", *_unshown(report)),
    )


def _heads() -> Iterator[tuple[str, str]]:
    yield from [("parameter", ""), ("status", ""), ("dtype and shape", "")]
    yield from ((title, "number") for title in TITLES)


def _row(row: Measured) -> Markup:
    status = row.change.status
    said = [element("small", words, class_="alarm" if alarming else None) for words, alarming in notes(row)]
    found = figures(row)
    return element(
        "tr",
        element("th", element("span", breakable(row.change.name)), *said, scope="row"),
        element("td", element("span", _WORDS.get(status, status.value), class_=f"status {status.value}")),
        element("td", spec(row.change)),
        *(_cell(found.get(title)) for title in TITLES),
    )


def _cell(figure: Figure | None) -> Markup:
    words, value = figure or ("", math.nan)
    return element("td", words, class_="number", data_value=value if math.isfinite(value) else None)


def _unshown(report: Report) -> Iterator[str]:
    if report.limited:
        yield f"{count(report.limited, 'more parameter')} changed. "
    if left_out(report):
        yield f"{count(left_out(report), 'changed parameter')} not asked for."
