"""A map as one image: for a slide, a pull request, a page of documentation. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from git_theta.diffing.render import map_layout as layout
from git_theta.diffing.render.formatting import format_cosine, format_number
from git_theta.diffing.render.image_panels import (
    OTHER_COLOR,
    QUIET_COLOR,
    STEP_COLORS,
    TEXT_COLOR,
    UNCHANGED_COLOR,
    Panel,
    draw_panels,
)
from git_theta.diffing.render.map_words import describe_base, describe_compared, describe_plane, nothing_differs
from git_theta.diffing.weight_map import WeightMap
from git_theta.words import escape_unprintable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _WIDTH = 0.4, 9.4
"""Inches."""
_POINTS_PER_UNIT = _WIDTH * 72 / layout.WIDTH
"""Points of the printer in a unit of the drawings."""
_ROW, _COLUMN = 0.23, 0.62
_LABELS_WIDTH = 2.6
_NUMBERS_UP_TO = 24
"""Versions up to which cells hold their numbers."""
_DOT_COLOR = STEP_COLORS[5]
_COLORS = {
    **{f"s{step}": color for step, color in enumerate(STEP_COLORS, start=1)},
    "n1": "#fbe3e1",
    "n2": "#f2b8b3",
    "n3": "#dd7d75",
    "n4": "#b3261e",
    "zero": UNCHANGED_COLOR,
    "none": UNCHANGED_COLOR,
}
_DARK_SHADES = {*(f"s{step}" for step in range(6, 10)), "n3", "n4"}


def render_map_image(found: WeightMap) -> bytes:
    """A PNG. The same map and the same matplotlib give the same bytes. Raises ModuleNotFoundError without it."""
    return draw_panels(list(_panels(found)))


def _panels(found: WeightMap) -> Iterator[Panel]:
    yield Panel(_WIDTH, 0.35, partial(_draw_heading, found), _LEFT)
    if nothing_differs(found):
        return
    plane, tree = layout.lay_out_plane(found), layout.lay_out_tree(found)
    yield Panel(_WIDTH, _to_inches(plane.height), partial(_draw_plane, plane, describe_plane(found)), _LEFT)
    yield Panel(_WIDTH, _to_inches(tree.height), partial(_draw_tree, tree), _LEFT)
    width = min(_WIDTH - _LABELS_WIDTH, _COLUMN * len(found.versions))
    largest = max(map(max, found.distances))
    for title, rows, words, shade in _matrices(found, largest):
        draw = partial(_draw_matrix, found, title, rows, words, shade)
        yield Panel(width, _ROW * len(rows), draw, _LEFT + _LABELS_WIDTH)


def _to_inches(units: float) -> float:
    return units * _WIDTH / layout.WIDTH


_Words = Callable[[float | None], str]
_Rows = Sequence[Sequence[float | None]]


def _matrices(found: WeightMap, largest: float) -> Iterable[tuple[str, _Rows, _Words, _Words]]:
    yield "distances", found.distances, format_number, lambda cell: layout.shade_of_distance(cell or 0, largest)
    yield "cosines of task vectors", found.cosines, format_cosine, layout.shade_of_cosine


def _draw_heading(found: WeightMap, axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0, 1, escape_unprintable(found.path), fontsize=13, fontweight="bold", va="bottom")
    axes.text(0, 0.75, f"task vectors from {describe_base(found)}", color=QUIET_COLOR, va="top")
    axes.text(0, 0.2, f"parameters: {describe_compared(found)}", color=QUIET_COLOR, va="top")


def _prepare_axes(axes: Axes, height: float, title: str) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, layout.WIDTH), ylim=(height, 0))
    axes.set_title(title)


def _draw_plane(found: layout.PlaneLayout, words: str, axes: Axes) -> None:
    _prepare_axes(axes, found.height, f"weight space. {words}")
    base, *versions = found.dots
    for dot in versions:
        axes.plot([base.x, dot.x], [base.y, dot.y], color=OTHER_COLOR, linewidth=0.8, zorder=1)
    size = (2 * layout.RADIUS * _POINTS_PER_UNIT) ** 2
    axes.scatter([dot.x for dot in versions], [dot.y for dot in versions], s=size, color=_DOT_COLOR, zorder=2)
    axes.scatter([base.x], [base.y], s=size, color="white", edgecolors=TEXT_COLOR, linewidths=1.5, zorder=3)
    _draw_labels(axes, found.labels)
    start, end, y, length = found.ruler
    axes.plot([start, end], [y, y], color=QUIET_COLOR, linewidth=1, marker="|", markersize=5)
    axes.text(
        end + 10, y, f"distance {length}", color=QUIET_COLOR, va="center", fontsize=layout.FONT * _POINTS_PER_UNIT
    )


def _draw_tree(found: layout.TreeLayout, axes: Axes) -> None:
    _prepare_axes(axes, found.height, "clusters, by average distance")
    for x1, y1, x2, y2 in found.lines:
        axes.plot([x1, x2], [y1, y2], color=_DOT_COLOR, linewidth=1, solid_capstyle="round")
    _draw_labels(axes, found.labels)
    _draw_labels(axes, found.heights, color=QUIET_COLOR, size=0.8)


def _draw_labels(axes: Axes, labels: Iterable[layout.TextLabel], color: str = TEXT_COLOR, size: float = 1) -> None:
    for label in labels:
        axes.text(
            label.x,
            label.y,
            label.text,
            ha="left" if label.anchor == "start" else "right",
            va="center",
            color=color,
            fontsize=size * layout.FONT * _POINTS_PER_UNIT,
            zorder=4,
        )


def _draw_matrix(found: WeightMap, title: str, rows: _Rows, words: _Words, shade: _Words, axes: Axes) -> None:
    from matplotlib.colors import to_rgb

    shades = [[shade(cell) for cell in row] for row in rows]
    axes.imshow([[to_rgb(_COLORS[each]) for each in row] for row in shades], aspect="auto", interpolation="nearest")
    axes.set_title(title)
    places = range(1, len(rows) + 1)
    axes.set_yticks(range(len(rows)), [layout.point_name(found, place) for place in places])
    every = -(-len(rows) // _NUMBERS_UP_TO)
    axes.set_xticks(range(0, len(rows), every), [str(place) for place in places[::every]])
    if len(rows) > _NUMBERS_UP_TO:
        return
    room = min(1.0, (_WIDTH - _LABELS_WIDTH) / (_COLUMN * len(rows)))
    for place, row in enumerate(rows):
        axes.axhline(place + 0.5, color="white", linewidth=1)
        axes.axvline(place + 0.5, color="white", linewidth=1)
        for column, cell in enumerate(row):
            color = "white" if shades[place][column] in _DARK_SHADES else TEXT_COLOR
            axes.text(column, place, words(cell), ha="center", va="center", fontsize=6.5 * room, color=color)
