"""Where everything stands in the pictures of a map, for pages and images alike: in units of a drawing WIDTH wide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.diffing.render.formatting import format_number
from git_theta.diffing.render.map_words import merge_of, shorten_label
from git_theta.diffing.weight_map import WeightMap

WIDTH = 1000.0
FONT = 15.0
"""Height of letters."""
RADIUS = 6.0
"""Of a point."""
SHADES = 9
"""Shades of a matrix."""

_LETTER_WIDTH = 0.56 * FONT
"""Width of a letter, on average."""
_MAX_LABEL = 30
"""Letters of a label."""
_NAMES_UP_TO = 20
"""Versions above which the plane names them by their numbers alone."""
_SIDE, _EDGE = 150.0, 45.0
"""What stays free beside the points, for labels, and above and below."""
_MIN_HEIGHT, _MAX_HEIGHT = 260.0, 560.0
_ROW_HEIGHT = 26.0
"""Height of a version in the tree."""
_LABELS_WIDTH = 320.0
"""Width of the tree's labels."""


class TextLabel(NamedTuple):
    """A text: where its middle line begins, or ends (``anchor``: start, end)."""

    x: float
    y: float
    text: str
    anchor: str = "start"


class Dot(NamedTuple):
    """A point of the plane. ``place``: 0 for the base, then the versions from 1."""

    x: float
    y: float
    place: int


class PlaneLayout(NamedTuple):
    """The picture of the plane. ``ruler``: from, to (x), y, and the distance that this is."""

    height: float
    dots: tuple[Dot, ...]
    labels: tuple[TextLabel, ...]
    ruler: tuple[float, float, float, str]


class TreeLayout(NamedTuple):
    """The picture of the clusters: lines (x, y, x, y), the versions' labels, and the heights of merges."""

    height: float
    lines: tuple[tuple[float, float, float, float], ...]
    labels: tuple[TextLabel, ...]
    heights: tuple[TextLabel, ...]


def point_name(found: WeightMap, place: int) -> str:
    """What a point is called: 0 is the base."""
    label = shorten_label((found.versions[place - 1] if place else found.base).label, _MAX_LABEL)
    return f"{place} {label}" if place else f"base {label}"


def lay_out_plane(found: WeightMap) -> PlaneLayout:
    """The points, to scale, each with a label where there is room for one."""
    xs, ys = zip(*found.points, strict=True)
    across, up = max(xs) - min(xs), max(ys) - min(ys)
    scale = min((WIDTH - 2 * _SIDE) / (across or 1), (_MAX_HEIGHT - 2 * _EDGE) / (up or 1))
    height = max(_MIN_HEIGHT, scale * up + 2 * _EDGE)
    left, top = (WIDTH - scale * across) / 2, (height - scale * up) / 2
    dots = [
        Dot(left + scale * (x - min(xs)), top + scale * (max(ys) - y), place)
        for place, (x, y) in enumerate(found.points)
    ]
    length = _round_down(0.18 * WIDTH / scale)
    ruler = (20.0, 20.0 + scale * length, height + 20, f"{length:g}")
    return PlaneLayout(height + _EDGE, tuple(dots), tuple(_place_labels(found, dots)), ruler)


def _round_down(length: float) -> float:
    """The nearest 1, 2 or 5 times a power of ten below."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9))


_Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _place_labels(found: WeightMap, dots: Sequence[Dot]) -> Iterator[TextLabel]:
    """Beside each point where no other label is, and as few task vectors as can be."""
    taken: list[_Box] = [(dot.x - RADIUS, dot.y - RADIUS, dot.x + RADIUS, dot.y + RADIUS) for dot in dots]
    rays = [point for dot in dots[1:] for point in _points_along(dots[0], dot)]
    for same in _group_coincident(found):
        dot = dots[same[0]]
        text = " = ".join(_point_label(found, place) for place in same[:2])
        text += f" = {len(same) - 2} more" if same[2:] else ""
        free = [
            label
            for label in _candidate_labels(dot, text)
            if not any(_overlaps(_box_of(label), other) for other in taken)
        ]
        if free:
            best = min(free, key=lambda label: sum(_is_inside(point, _box_of(label)) for point in rays))
            taken.append(_box_of(best))
            yield best
        else:
            yield TextLabel(dot.x + RADIUS + 2, dot.y - RADIUS - 2, " = ".join(map(str, same[:2])))


def _point_label(found: WeightMap, place: int) -> str:
    return point_name(found, place) if len(found.versions) <= _NAMES_UP_TO else str(place) if place else "base"


def _group_coincident(found: WeightMap) -> list[list[int]]:
    """The points, those together that are one: they have the same values."""
    rows = [(0.0, *found.norms), *((norm, *row) for norm, row in zip(found.norms, found.distances, strict=True))]
    firsts = [row.index(0.0) for row in rows]
    return [[place for place, one in enumerate(firsts) if one == first] for first in sorted(set(firsts))]


def _candidate_labels(dot: Dot, text: str) -> Iterator[TextLabel]:
    aside = RADIUS + 4
    for line in (0, 1, -1, 2, -2, 3, -3, 4, -4):
        y = dot.y + 1.15 * FONT * line
        yield TextLabel(dot.x + aside, y, text)
        yield TextLabel(dot.x - aside, y, text, "end")


def _points_along(start: Dot, end: Dot) -> Iterator[tuple[float, float]]:
    steps = 60
    for step in range(1, steps):
        yield start.x + (end.x - start.x) * step / steps, start.y + (end.y - start.y) * step / steps


def _box_of(label: TextLabel) -> _Box:
    width = _LETTER_WIDTH * len(label.text)
    left = label.x if label.anchor == "start" else label.x - width
    return left, label.y - 0.5 * FONT, left + width, label.y + 0.5 * FONT


def _is_inside(point: tuple[float, float], box: _Box) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _overlaps(one: _Box, other: _Box) -> bool:
    """What leaves the drawing overlaps with everything."""
    if one[0] < 0 or one[2] > WIDTH:
        return True
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def lay_out_tree(found: WeightMap) -> TreeLayout:
    """The clusters from the left, where all are one, to the right, where each version is one."""
    rows = {version: _ROW_HEIGHT * (row + 0.5) for row, version in enumerate(_leaf_order(found))}
    root = max(merge.height for merge in found.merges)
    places = {version: (WIDTH - _LABELS_WIDTH, y) for version, y in rows.items()}
    lines: list[tuple[float, float, float, float]] = []
    heights = []
    for number_, merge in enumerate(found.merges, start=len(found.versions)):
        x = WIDTH - _LABELS_WIDTH - (WIDTH - _LABELS_WIDTH - 70) * (merge.height / root if root else 0)
        (x1, y1), (x2, y2) = places[merge.left], places[merge.right]
        lines += [(x, y1, x1, y1), (x, y2, x2, y2), (x, y1, x, y2)]
        places[number_] = (x, (y1 + y2) / 2)
        heights.append(TextLabel(x - 5, (y1 + y2) / 2 - 9, format_number(merge.height), "end"))
    labels = [TextLabel(WIDTH - _LABELS_WIDTH + 8, y, point_name(found, version + 1)) for version, y in rows.items()]
    return TreeLayout(_ROW_HEIGHT * len(rows), tuple(lines), tuple(labels), tuple(heights))


def _leaf_order(found: WeightMap) -> list[int]:
    """The versions, so that no lines of the tree cross."""
    waiting, order = [len(found.versions) + len(found.merges) - 1], []
    while waiting:
        cluster = waiting.pop()
        merge = merge_of(found, cluster)
        if merge:
            waiting += [merge.right, merge.left]
        else:
            order.append(cluster)
    return order


def shade_of_distance(distance: float, largest: float) -> str:
    """The class of a cell: "zero", or s1 (near) to s9 (far)."""
    if not distance:
        return "zero"
    share = distance / largest  # first: nine times a number, over that number, may round to more than nine
    return f"s{max(1, math.ceil(SHADES * share))}"


def shade_of_cosine(cosine: float | None) -> str:
    """The class of a cell: "none", s1 to s9 for 0 to 1, n1 to n4 for what points the other way."""
    if cosine is None:
        return "none"
    if cosine < -0.05:
        return f"n{max(1, math.ceil(-4 * cosine))}"
    return f"s{max(1, math.ceil(SHADES * cosine))}"
