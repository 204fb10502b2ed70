"""A map as one image: for a slide, a pull request, a page of documentation. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from git_theta.diffing.render import map_layout as layout
from git_theta.diffing.render.formatting import cosine, number
from git_theta.diffing.render.map_words import base_words, compared_words, nothing_differs, shown_words
from git_theta.diffing.render.report_png import OTHER, QUIET, STEPS, TEXT, UNCHANGED, Panel, drawn
from git_theta.diffing.weight_map import Map
from git_theta.words import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _WIDTH = 0.4, 9.4
"""Inches."""
_POINT = _WIDTH * 72 / layout.WIDTH
"""Points of the printer in a unit of the drawings."""
_ROW, _COLUMN = 0.23, 0.62
_NAMES = 2.6
_ROOMY = 24
"""Versions up to which cells hold their numbers."""
_POINTS = STEPS[5]
_COLORS = {
    **{f"s{step}": color for step, color in enumerate(STEPS, start=1)},
    "n1": "#fbe3e1",
    "n2": "#f2b8b3",
    "n3": "#dd7d75",
    "n4": "#b3261e",
    "zero": UNCHANGED,
    "none": UNCHANGED,
}
_DARK = {*(f"s{step}" for step in range(6, 10)), "n3", "n4"}


def image(found: Map) -> bytes:
    """A PNG. The same map and the same matplotlib give the same bytes. Raises ModuleNotFoundError without it."""
    return drawn(list(_panels(found)))


def _panels(found: Map) -> Iterator[Panel]:
    yield Panel(_WIDTH, 0.35, partial(_heading, found), _LEFT)
    if nothing_differs(found):
        return
    plane, tree = layout.plane(found), layout.tree(found)
    yield Panel(_WIDTH, _inches(plane.height), partial(_plane, plane, shown_words(found)), _LEFT)
    yield Panel(_WIDTH, _inches(tree.height), partial(_tree, tree), _LEFT)
    width = min(_WIDTH - _NAMES, _COLUMN * len(found.versions))
    largest = max(map(max, found.distances))
    for title, rows, words, shade in _matrices(found, largest):
        draw = partial(_matrix, found, title, rows, words, shade)
        yield Panel(width, _ROW * len(rows), draw, _LEFT + _NAMES)


def _inches(units: float) -> float:
    return units * _WIDTH / layout.WIDTH


_Words = Callable[[float | None], str]
_Rows = Sequence[Sequence[float | None]]


def _matrices(found: Map, largest: float) -> Iterable[tuple[str, _Rows, _Words, _Words]]:
    yield "distances", found.distances, number, lambda cell: layout.shade_of_distance(cell or 0, largest)
    yield "cosines of task vectors", found.cosines, cosine, layout.shade_of_cosine


def _heading(found: Map, axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0, 1, printable(found.path), fontsize=13, fontweight="bold", va="bottom")
    axes.text(0, 0.75, f"task vectors from {base_words(found)}", color=QUIET, va="top")
    axes.text(0, 0.2, f"parameters: {compared_words(found)}", color=QUIET, va="top")


def _drawing(axes: Axes, height: float, title: str) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, layout.WIDTH), ylim=(height, 0))
    axes.set_title(title)


def _plane(found: layout.Plane, words: str, axes: Axes) -> None:
    _drawing(axes, found.height, f"weight space. {words}")
    base, *versions = found.dots
    for dot in versions:
        axes.plot([base.x, dot.x], [base.y, dot.y], color=OTHER, linewidth=0.8, zorder=1)
    size = (2 * layout.RADIUS * _POINT) ** 2
    axes.scatter([dot.x for dot in versions], [dot.y for dot in versions], s=size, color=_POINTS, zorder=2)
    axes.scatter([base.x], [base.y], s=size, color="white", edgecolors=TEXT, linewidths=1.5, zorder=3)
    _texts(axes, found.labels)
    start, end, y, length = found.ruler
    axes.plot([start, end], [y, y], color=QUIET, linewidth=1, marker="|", markersize=5)
    axes.text(end + 10, y, f"distance {length}", color=QUIET, va="center", fontsize=layout.FONT * _POINT)


def _tree(found: layout.Tree, axes: Axes) -> None:
    _drawing(axes, found.height, "clusters, by average distance")
    for x1, y1, x2, y2 in found.lines:
        axes.plot([x1, x2], [y1, y2], color=_POINTS, linewidth=1, solid_capstyle="round")
    _texts(axes, found.labels)
    _texts(axes, found.heights, color=QUIET, size=0.8)


def _texts(axes: Axes, labels: Iterable[layout.Label], color: str = TEXT, size: float = 1) -> None:
    for label in labels:
        axes.text(
            label.x,
            label.y,
            label.text,
            ha="left" if label.anchor == "start" else "right",
            va="center",
            color=color,
            fontsize=size * layout.FONT * _POINT,
            zorder=4,
        )


def _matrix(found: Map, title: str, rows: _Rows, words: _Words, shade: _Words, axes: Axes) -> None:
    from matplotlib.colors import to_rgb

    shades = [[shade(cell) for cell in row] for row in rows]
    axes.imshow([[to_rgb(_COLORS[each]) for each in row] for row in shades], aspect="auto", interpolation="nearest")
    axes.set_title(title)
    places = range(1, len(rows) + 1)
    axes.set_yticks(range(len(rows)), [layout.name(found, place) for place in places])
    every = -(-len(rows) // _ROOMY)
    axes.set_xticks(range(0, len(rows), every), [str(place) for place in places[::every]])
    if len(rows) > _ROOMY:
        return
    room = min(1.0, (_WIDTH - _NAMES) / (_COLUMN * len(rows)))
    for place, row in enumerate(rows):
        axes.axhline(place + 0.5, color="white", linewidth=1)
        axes.axvline(place + 0.5, color="white", linewidth=1)
        for column, cell in enumerate(row):
            color = "white" if shades[place][column] in _DARK else TEXT
            axes.text(column, place, words(cell), ha="center", va="center", fontsize=6.5 * room, color=color)
