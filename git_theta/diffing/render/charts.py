"""The pictures of a report as HTML: tables and bars that screen readers read, and that take their colours from CSS."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.diffing.base import Report
from git_theta.diffing.render import pictures
from git_theta.diffing.render.formatting import format_magnitude, format_percent
from git_theta.diffing.render.markup import Markup, breakable_name, element, wrap_figure
from git_theta.diffing.render.pictures import STEPS, Bar, Cell, CellState, HeatMap, Scale
from git_theta.words import pluralize

_NUMBERS_UP_TO = 16
"""Layers up to which the cells of a heat map hold their numbers for all to see."""
_SQUARE_UP_TO = 60
"""Layers up to which the cells are as wide as they are high."""
_MAX_LAYER_LABELS = 24
"""Layer numbers that are shown at most."""


def render_bar(report: Report) -> Markup:
    """How much of the checkpoint is unchanged, sparse, low-rank, dense: a bar, and its legend."""
    found = pictures.bar_of(report)
    if not any(amount for _, _, amount in found.kinds):
        return Markup()
    drawn = element(
        "svg",
        *_segments(found),
        class_="bar",
        viewBox="0 0 1000 24",
        preserveAspectRatio="none",
        role="img",
        aria_label="Share of elements by kind of change; the list below says the same",
    )
    items = [
        element(
            "li",
            element("i", class_=f"key {kind.value}", aria_hidden="true"),
            element("b", kind.value.replace("-", " ")),
            f" {format_percent(found.share(kind))} of elements, "
            f"{pluralize(parameters, 'parameter')} ({format_magnitude(amount)})",
        )
        for kind, parameters, amount in found.kinds
    ]
    return wrap_figure("How it changed", drawn, element("ul", *items, class_="legend"))


def render_heat_maps(report: Report) -> Markup:
    """A table for each stack of layers: modules down, layers across, the darker the larger the relative change."""
    maps = pictures.heat_maps_of(report)
    scale = pictures.scale_of(maps)
    if not scale.high:
        return Markup()
    tables = [_heat_map(found, scale) for found in maps]
    return wrap_figure("Relative change by module and layer", _legend(scale), *tables)


def render_largest(report: Report) -> Markup:
    """The parameters that changed most, relative to what they were."""
    found = [(name, relative) for name, relative in pictures.largest_changes(report) if relative]
    if len(found) < 2:
        return Markup()
    most = found[0][1]
    rows = [
        element(
            "tr",
            element("th", breakable_name(name), scope="row"),
            element("td", _length_bar(relative / most), class_="length", aria_hidden="true"),
            element("td", format_percent(relative), class_="number"),
        )
        for name, relative in found
    ]
    caption = element("caption", "The largest relative changes", class_="unseen")
    return wrap_figure("Changed most", element("table", caption, element("tbody", *rows), class_="top"))


def _segments(found: Bar) -> Iterator[Markup]:
    start = 0.0
    for kind, _, _ in found.kinds:
        width = 1000 * found.share(kind)
        yield element("rect", class_=kind.value, x=f"{start:.2f}", y=0, width=f"{width:.2f}", height=24)
        start += width


def _length_bar(share: float) -> Markup:
    rect = element("rect", x=0, y=0, width=f"{1000 * share:.1f}", height=10)
    return element("svg", rect, viewBox="0 0 1000 10", preserveAspectRatio="none")


def _legend(scale: Scale) -> Markup:
    steps = [element("i", class_=f"s{step}") for step in range(1, STEPS + 1)]
    ramp = element("span", *steps, class_="ramp", aria_hidden="true")
    return element(
        "p",
        element("span", format_percent(scale.low), " ", ramp, " ", format_percent(scale.high)),
        " ",
        *(
            element("span", element("i", class_=f"key {state.value}", aria_hidden="true"), f" {words}")
            for state, words in [
                (CellState.UNCHANGED, "unchanged"),
                (CellState.OTHER, "new, removed, reshaped or not measured"),
                (CellState.BROKEN, "NaN or infinite"),
            ]
        ),
        class_="scale",
    )


def _heat_map(found: HeatMap, scale: Scale) -> Markup:
    title = "outside of layers" if found.stack is None else f"{found.stack} (layers across)".strip()
    layers = len(found.layers)
    density = "roomy" if layers <= _NUMBERS_UP_TO else "tight" if layers <= _SQUARE_UP_TO else "tight narrow"
    every = -(-layers // _MAX_LAYER_LABELS)
    heads = [
        element("th", _layer_head(layer, shown=place % every == 0), scope="col")
        for place, layer in enumerate(found.layers)
    ]
    head = element("thead", element("tr", element("td"), *heads)) if found.stack is not None else ""
    body = [
        element("tr", element("th", module, scope="row"), *_cells(found, module, scale)) for module in found.modules
    ]
    table = element(
        "table",
        element("caption", title),
        head,
        element("tbody", *body),
        class_=f"heat {density}",
    )
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"Heat map, {title}")


def _layer_head(layer: int, *, shown: bool) -> Markup:
    return element("span", str(layer), class_=None if shown else "unseen")


def _cells(found: HeatMap, module: str, scale: Scale) -> Iterator[Markup]:
    for layer in found.layers:
        cell = found.cells.get((module, layer))
        if cell is None:
            yield element("td", class_="none")
            continue
        words = _cell_words(cell)
        place = module if found.stack is None else f"{found.stack}.{layer}.{module}".removeprefix(".")
        step = f"s{scale.step(cell.relative)}" if cell.state is CellState.CHANGED else cell.state.value
        yield element("td", element("span", words), class_=step, title=f"{place}: {words}")


def _cell_words(cell: Cell) -> str:
    if cell.state is CellState.CHANGED:
        return format_percent(cell.relative)
    return {CellState.UNCHANGED: "0", CellState.BROKEN: "NaN", CellState.OTHER: "n/a"}.get(cell.state, "")
