"""The pictures of a report as one image: for a slide, a pull request, a page of documentation. Needs matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from git_theta.diffing.base import Report
from git_theta.diffing.render import pictures
from git_theta.diffing.render.formatting import percent
from git_theta.diffing.render.pictures import Cell, HeatMap, Scale, State
from git_theta.diffing.render.rows import shortened
from git_theta.diffing.render.totals import summary
from git_theta.diffing.verdict import Kind, Look, verdict
from git_theta.words import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {
    Kind.UNCHANGED: "#e4e7eb",
    Kind.SPARSE: "#2a9d8f",
    Kind.LOW_RANK: "#8a5cd1",
    Kind.DENSE: "#2f74d0",
    Kind.NEW: "#1a7f37",
    Kind.REMOVED: "#b3261e",
    Kind.UNKNOWN: "#c3c9d1",
}
STEPS = ("#e3eefa", "#cbdff3", "#a9cbea", "#7fb2dd", "#5596cd", "#347ab8", "#1e5f9f", "#114680", "#082d5a")
UNCHANGED, OTHER, _BROKEN = _COLORS[Kind.UNCHANGED], _COLORS[Kind.UNKNOWN], _COLORS[Kind.REMOVED]
QUIET, TEXT = "#5b6470", "#1b1f24"

_LEFT, _WIDTH, _RIGHT = 3.4, 6.4, 0.4
"""Inches: for labels, for pictures, and what stays free behind them."""
_ROW, _TITLE, _MARGIN = 0.21, 0.55, 0.3
"""Inches: the height of one row of a picture, what stands above it, and around all of them."""
_CELL = 0.62
"""Inches: how wide a cell of a heat map is at most."""
_DPI = 150
_LARGEST = 60_000
"""Pixels that an image may be high: the drawing library refuses more than 65,535."""
_LABEL = 50
"""Letters of a label."""
_ROOMY = 12
"""Layers up to which a cell holds its number."""
_STYLE = {
    "font.size": 8,
    "text.parse_math": False,  # a dollar sign in a name starts no formula
    "axes.edgecolor": "none",
    "axes.labelcolor": QUIET,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "text.color": TEXT,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


class Panel(NamedTuple):
    """One picture: its size in inches, what draws it, and how far it is from the left edge."""

    width: float
    height: float
    draw: Callable[[Axes], None]
    left: float = _LEFT


def image(reports: Sequence[Report]) -> bytes:
    """A PNG. The same reports and the same matplotlib give the same bytes. Raises ModuleNotFoundError without it."""
    return drawn([panel for report in reports for panel in _panels(report)])


def drawn(panels: Sequence[Panel]) -> bytes:
    """A PNG of pictures, one below the other. Raises ModuleNotFoundError without matplotlib."""
    from matplotlib import style

    # Not a person's own style: the image is to be the same everywhere.
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks is drawn as a box
        return _drawn(panels)


def _drawn(panels: Sequence[Panel]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = _LEFT + _WIDTH + _RIGHT
    height = sum(panel.height + _TITLE for panel in panels) + _MARGIN
    figure = Figure(figsize=(width, height), dpi=min(_DPI, _LARGEST / height))
    FigureCanvasAgg(figure)
    top = height
    for panel in panels:
        top -= panel.height + _TITLE
        box = (panel.left / width, top / height, panel.width / width, panel.height / height)
        panel.draw(figure.add_axes(box))
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})  # which names the release of matplotlib
    return content.getvalue()


def _panels(report: Report) -> Iterator[Panel]:
    yield Panel(_WIDTH, 2 * _ROW, partial(_heading, report))
    if any(amount for _, _, amount in pictures.bar(report).kinds):
        yield Panel(_WIDTH, 3.2 * _ROW, partial(_bar, report))
    maps = pictures.heat_maps(report)
    scale = pictures.scale_of(maps)
    if scale.high:
        yield Panel(_WIDTH, _ROW, partial(_legend, scale))
        for found in maps:
            width = min(_WIDTH, _CELL * len(found.layers))
            yield Panel(width, _ROW * len(found.modules), partial(_heat_map, found, scale))
    largest = [(name, relative) for name, relative in pictures.top(report) if relative]
    if len(largest) > 1:
        yield Panel(_WIDTH, _ROW * len(largest), partial(_top, largest))


def _heading(report: Report, axes: Axes) -> None:
    axes.set_axis_off()
    left = -(_LEFT - _MARGIN) / _WIDTH
    old, new = map(printable, report.labels)
    axes.text(left, 1, printable(report.comparison.path), fontsize=13, fontweight="bold", va="bottom")
    axes.text(left, 0.75, f"{old} → {new}: {summary(report)}", color=QUIET, va="top")
    found = verdict(report)
    color = _COLORS[Kind.REMOVED] if found.look is Look.BROKEN else TEXT
    axes.text(left, 0.1, found.text, fontweight="bold", color=color, va="top")


def _bar(report: Report, axes: Axes) -> None:
    found, start = pictures.bar(report), 0.0
    for kind, parameters, _ in found.kinds:
        share = found.share(kind)
        words = f"{kind.value} {percent(share)} ({parameters:,})"
        axes.barh(0.75, share, left=start, height=0.5, color=_COLORS[kind], label=words)
        start += share
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.set_title("elements by kind of change (parameters)")
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.01, 0.5), ncols=4, frameon=False, handlelength=0.8, handleheight=0.8
    )


def _legend(scale: Scale, axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(0, 1))
    axes.set_title("relative change by module and layer")
    axes.text(0, 0.5, percent(scale.low), va="center", color=QUIET)
    for step, color in enumerate(STEPS):
        axes.barh(0.5, 0.16, left=0.7 + 0.16 * step, height=0.7, color=color)
    axes.text(2.2, 0.5, percent(scale.high), va="center", color=QUIET)
    others = [(_COLORS[Kind.UNCHANGED], "unchanged"), (OTHER, "new, removed, unknown"), (_BROKEN, "NaN or infinite")]
    for (color, words), place in zip(others, (2.7, 3.66, 5.4), strict=True):
        axes.barh(0.5, 0.12, left=place, height=0.6, color=color)
        axes.text(place + 0.18, 0.5, words, va="center", color=QUIET)


def _heat_map(found: HeatMap, scale: Scale, axes: Axes) -> None:
    from matplotlib.colors import to_rgb

    cells = [[found.cells.get((module, layer)) for layer in found.layers] for module in found.modules]
    axes.imshow(
        [[to_rgb(_color(cell, scale)) for cell in row] for row in cells], aspect="auto", interpolation="nearest"
    )
    if found.stack is not None:
        axes.set_title(_label(found.stack) or "layers", fontsize=8)
        axes.xaxis.set_ticks_position("bottom")
        every = -(-len(found.layers) // 24)
        axes.set_xticks(range(0, len(found.layers), every), [str(layer) for layer in found.layers[::every]])
    else:
        axes.set_title("outside of layers", fontsize=8)
        axes.set_xticks([])
    axes.set_yticks(range(len(found.modules)), list(map(_label, found.modules)))
    if len(found.layers) <= _ROOMY:
        _number(cells, scale, axes)
        _rule(axes, len(found.modules), len(found.layers))


def _number(cells: Sequence[Sequence[Cell | None]], scale: Scale, axes: Axes) -> None:
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            if cell and cell.state in (State.CHANGED, State.BROKEN):
                words = percent(cell.relative) if cell.state is State.CHANGED else "NaN"
                dark = cell.state is State.BROKEN or scale.step(cell.relative) > STEPS.index("#5596cd") + 1
                color = "white" if dark else TEXT
                axes.text(column, row, words, ha="center", va="center", fontsize=6.5, color=color)


def _rule(axes: Axes, rows: int, columns: int) -> None:
    """White lines between cells."""
    for row in range(1, rows):
        axes.axhline(row - 0.5, color="white", linewidth=1)
    for column in range(1, columns):
        axes.axvline(column - 0.5, color="white", linewidth=1)


def _top(largest: Sequence[tuple[str, float]], axes: Axes) -> None:
    places = range(len(largest))
    axes.barh(places, [relative for _, relative in largest], height=0.6, color=_COLORS[Kind.DENSE])
    axes.set(ylim=(len(largest) - 0.5, -0.5), xlim=(0, 1.1 * largest[0][1]), xticks=[])
    axes.set_title("largest relative changes")
    axes.set_yticks(places, [_label(name) for name, _ in largest])
    for place, (_, relative) in enumerate(largest):
        axes.text(relative, place, f" {percent(relative)}", va="center", color=QUIET)


def _color(cell: Cell | None, scale: Scale) -> str:
    if cell is None:
        return "white"
    if cell.state is State.CHANGED:
        return STEPS[scale.step(cell.relative) - 1]
    return {State.BROKEN: _BROKEN, State.OTHER: OTHER}.get(cell.state, UNCHANGED)


def _label(name: str) -> str:
    return shortened(name, _LABEL)
