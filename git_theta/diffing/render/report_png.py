"""The pictures of a report as one image: for a slide, a pull request, a page of documentation. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from git_theta.diffing.base import Report
from git_theta.diffing.render import pictures
from git_theta.diffing.render.formatting import format_percent, format_value
from git_theta.diffing.render.image_panels import (
    LEFT,
    MARGIN,
    OTHER_COLOR,
    QUIET_COLOR,
    ROW,
    STEP_COLORS,
    TEXT_COLOR,
    UNCHANGED_COLOR,
    WIDTH,
    Panel,
    draw_panels,
)
from git_theta.diffing.render.pictures import Cell, CellState, HeatMap, Scale
from git_theta.diffing.render.rows import list_measures, shorten_name
from git_theta.diffing.render.totals import summarize_report
from git_theta.diffing.verdict import ChangeKind, Look, judge_report
from git_theta.words import escape_unprintable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {
    ChangeKind.UNCHANGED: UNCHANGED_COLOR,
    ChangeKind.SPARSE: "#2a9d8f",
    ChangeKind.LOW_RANK: "#8a5cd1",
    ChangeKind.DENSE: "#2f74d0",
    ChangeKind.NEW: "#1a7f37",
    ChangeKind.REMOVED: "#b3261e",
    ChangeKind.UNKNOWN: OTHER_COLOR,
}
_BROKEN_COLOR = _COLORS[ChangeKind.REMOVED]

_CELL = 0.62
"""Inches: how wide a cell of a heat map is at most."""
_LABEL_LETTERS = 50
"""Letters of a label."""
_NUMBERS_UP_TO = 12
"""Layers up to which a cell holds its number."""


class _RankedParameter(NamedTuple):
    """A parameter with what was found of it, as a number and in words."""

    name: str
    value: float
    words: str


def render_image(reports: Sequence[Report]) -> bytes:
    """A PNG. The same reports and the same matplotlib give the same bytes. Raises ModuleNotFoundError without it."""
    return draw_panels([panel for report in reports for panel in _panels(report)])


def _panels(report: Report) -> Iterator[Panel]:
    yield Panel(WIDTH, 2 * ROW, partial(_draw_heading, report))
    if any(amount for _, _, amount in pictures.bar_of(report).kinds):
        yield Panel(WIDTH, 3.2 * ROW, partial(_draw_bar, report))
    maps = pictures.heat_maps_of(report)
    scale = pictures.scale_of(maps)
    if scale.high:
        yield Panel(WIDTH, ROW, partial(_draw_legend, scale))
        for found in maps:
            width = min(WIDTH, _CELL * len(found.layers))
            yield Panel(width, ROW * len(found.modules), partial(_draw_heat_map, found, scale))
    for title, ranked in _rank_parameters(report):
        yield Panel(WIDTH, ROW * len(ranked), partial(_draw_largest, ranked, title))


def _rank_parameters(report: Report) -> Iterator[tuple[str, list[_RankedParameter]]]:
    """What changed most, and that by each measure that was asked for."""
    relative = pictures.largest_changes(report)
    largest = [_RankedParameter(name, value, format_percent(value)) for name, value in relative if value]
    if len(largest) > 1:
        yield "largest relative changes", largest
    for measure in list_measures(report.rows):
        found = pictures.largest_values(report, measure)
        if found:
            ranked = [_RankedParameter(name, one.value or 0, format_value(one)) for name, one in found]
            yield f"largest {escape_unprintable(measure)}", ranked


def _draw_heading(report: Report, axes: Axes) -> None:
    axes.set_axis_off()
    left = -(LEFT - MARGIN) / WIDTH
    old, new = map(escape_unprintable, report.labels)
    axes.text(left, 1, escape_unprintable(report.comparison.path), fontsize=13, fontweight="bold", va="bottom")
    axes.text(left, 0.75, f"{old} → {new}: {summarize_report(report)}", color=QUIET_COLOR, va="top")
    found = judge_report(report)
    color = _COLORS[ChangeKind.REMOVED] if found.look is Look.BROKEN else TEXT_COLOR
    axes.text(left, 0.1, found.text, fontweight="bold", color=color, va="top")


def _draw_bar(report: Report, axes: Axes) -> None:
    found, start = pictures.bar_of(report), 0.0
    for kind, parameters, _ in found.kinds:
        share = found.share(kind)
        words = f"{kind.value} {format_percent(share)} ({parameters:,})"
        axes.barh(0.75, share, left=start, height=0.5, color=_COLORS[kind], label=words)
        start += share
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.set_title("elements by kind of change (parameters)")
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.01, 0.5), ncols=4, frameon=False, handlelength=0.8, handleheight=0.8
    )


def _draw_legend(scale: Scale, axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(0, 1))
    axes.set_title("relative change by module and layer")
    axes.text(0, 0.5, format_percent(scale.low), va="center", color=QUIET_COLOR)
    for step, color in enumerate(STEP_COLORS):
        axes.barh(0.5, 0.16, left=0.7 + 0.16 * step, height=0.7, color=color)
    axes.text(2.2, 0.5, format_percent(scale.high), va="center", color=QUIET_COLOR)
    others = [
        (UNCHANGED_COLOR, "unchanged"),
        (OTHER_COLOR, "new, removed, unknown"),
        (_BROKEN_COLOR, "NaN or infinite"),
    ]
    for (color, words), place in zip(others, (2.7, 3.66, 5.4), strict=True):
        axes.barh(0.5, 0.12, left=place, height=0.6, color=color)
        axes.text(place + 0.18, 0.5, words, va="center", color=QUIET_COLOR)


def _draw_heat_map(found: HeatMap, scale: Scale, axes: Axes) -> None:
    from matplotlib.colors import to_rgb

    cells = [[found.cells.get((module, layer)) for layer in found.layers] for module in found.modules]
    axes.imshow(
        [[to_rgb(_color_of(cell, scale)) for cell in row] for row in cells], aspect="auto", interpolation="nearest"
    )
    if found.stack is not None:
        axes.set_title(_axis_label(found.stack) or "layers", fontsize=8)
        axes.xaxis.set_ticks_position("bottom")
        every = -(-len(found.layers) // 24)
        axes.set_xticks(range(0, len(found.layers), every), [str(layer) for layer in found.layers[::every]])
    else:
        axes.set_title("outside of layers", fontsize=8)
        axes.set_xticks([])
    axes.set_yticks(range(len(found.modules)), list(map(_axis_label, found.modules)))
    if len(found.layers) <= _NUMBERS_UP_TO:
        _draw_numbers(cells, scale, axes)
        _draw_grid(axes, len(found.modules), len(found.layers))


def _draw_numbers(cells: Sequence[Sequence[Cell | None]], scale: Scale, axes: Axes) -> None:
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            if cell and cell.state in (CellState.CHANGED, CellState.BROKEN):
                words = format_percent(cell.relative) if cell.state is CellState.CHANGED else "NaN"
                dark = cell.state is CellState.BROKEN or scale.step(cell.relative) > STEP_COLORS.index("#5596cd") + 1
                color = "white" if dark else TEXT_COLOR
                axes.text(column, row, words, ha="center", va="center", fontsize=6.5, color=color)


def _draw_grid(axes: Axes, rows: int, columns: int) -> None:
    """White lines between cells."""
    for row in range(1, rows):
        axes.axhline(row - 0.5, color="white", linewidth=1)
    for column in range(1, columns):
        axes.axvline(column - 0.5, color="white", linewidth=1)


def _draw_largest(bars: Sequence[_RankedParameter], title: str, axes: Axes) -> None:
    places, lengths = range(len(bars)), [max(one.value, 0.0) for one in bars]
    axes.barh(places, lengths, height=0.6, color=_COLORS[ChangeKind.DENSE])
    axes.set(ylim=(len(bars) - 0.5, -0.5), xlim=(0, 1.1 * lengths[0] or 1), xticks=[])
    axes.set_title(title)
    axes.set_yticks(places, [_axis_label(one.name) for one in bars])
    for place, (one, length) in enumerate(zip(bars, lengths, strict=True)):
        axes.text(length, place, f" {one.words}", va="center", color=QUIET_COLOR)


def _color_of(cell: Cell | None, scale: Scale) -> str:
    if cell is None:
        return "white"
    if cell.state is CellState.CHANGED:
        return STEP_COLORS[scale.step(cell.relative) - 1]
    return {CellState.BROKEN: _BROKEN_COLOR, CellState.OTHER: OTHER_COLOR}.get(cell.state, UNCHANGED_COLOR)


def _axis_label(name: str) -> str:
    return shorten_name(name, _LABEL_LETTERS)
