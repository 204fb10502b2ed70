"""A map as one page that needs nothing else: no network, no fonts, and no script to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from git_theta.diffing.render import map_layout as layout
from git_theta.diffing.render.formatting import format_cosine, format_magnitude, format_number, format_value
from git_theta.diffing.render.map_words import (
    abbreviate_id,
    describe_base,
    describe_compared,
    describe_left_out,
    describe_plane,
    nothing_differs,
)
from git_theta.diffing.render.markup import Markup, element, join_markup, wrap_figure
from git_theta.diffing.render.report_page import build_page
from git_theta.diffing.weight_map import WeightMap

_MAX_NAMED = 40
"""Parameters named for each reason."""


def render_map_page(found: WeightMap) -> str:
    """The page, to be written as UTF-8."""
    pictures = [] if nothing_differs(found) else [_plane(found), _tree(found), *_matrices(found)]
    body = element(
        "section",
        element("h2", found.path, id="map"),
        element("p", "Task vectors from ", element("b", describe_base(found)), class_="versions"),
        element("p", f"Parameters: {describe_compared(found)}.", class_="versions"),
        *_left_out_notes(found),
        *pictures,
        _versions(found),
        aria_labelledby="map",
    )
    return build_page("git theta map", body, "map.css")


def _left_out_notes(found: WeightMap) -> Iterator[Markup]:
    for words, failed in describe_left_out(found, _MAX_NAMED):
        yield element("p", f"Left out: {words}", class_="versions alarm" if failed else "versions")
    if any(found.nonfinite):
        yield element("p", "NaN and infinite values count in no version.", class_="versions alarm")


def _plane(found: WeightMap) -> Markup:
    drawn = layout.lay_out_plane(found)
    marks = [*_draw_rays(drawn), *_draw_dots(found, drawn), *map(_svg_text, drawn.labels), *_draw_ruler(drawn)]
    picture = _svg(drawn.height, "plane", "Versions in a plane", *marks)
    said = element("p", describe_plane(found), " Lines are task vectors, from the base.", class_="legend")
    return wrap_figure("Weight space, as far as a plane shows it", picture, said)


def _draw_rays(drawn: layout.PlaneLayout) -> Iterator[Markup]:
    """The task vectors: from the base, which is the first dot, to every version."""
    base, *others = drawn.dots
    for dot in others:
        yield _svg_line(base.x, base.y, dot.x, dot.y, "ray")


def _draw_dots(found: WeightMap, drawn: layout.PlaneLayout) -> Iterator[Markup]:
    """The versions, then the base on top of them; what one is, a pointer that rests on it is told."""
    for dot in reversed(drawn.dots):
        yield element(
            "circle",
            element("title", f"{layout.point_name(found, dot.place)}  {_norm_text(found, dot.place)}"),
            cx=_coordinate(dot.x),
            cy=_coordinate(dot.y),
            r=_coordinate(layout.RADIUS),
            class_="version" if dot.place else "origin",
        )


def _draw_ruler(drawn: layout.PlaneLayout) -> Iterator[Markup]:
    """A line with a tick at each end, and the distance that it stands for."""
    start, end, y, length = drawn.ruler
    ticked = (
        f"M{_coordinate(start)} {_coordinate(y - 4)}v8M{_coordinate(start)} {_coordinate(y)}H{_coordinate(end)}m0 -4v8"
    )
    yield element("path", d=ticked, class_="ruler")
    yield _svg_text(layout.TextLabel(end + 10, y, f"distance {length}"))


def _norm_text(found: WeightMap, place: int) -> str:
    return f"norm {format_number(found.norms[place - 1])}" if place else ""


def _tree(found: WeightMap) -> Markup:
    drawn = layout.lay_out_tree(found)
    lines = [_svg_line(*ends, "branch") for ends in drawn.lines]
    heights = [_svg_text(label, class_="height") for label in drawn.heights]
    picture = _svg(drawn.height, "tree", "Clusters of versions", *lines, *heights, *map(_svg_text, drawn.labels))
    said = element("p", "Where two branches meet stands the average distance of their versions.", class_="legend")
    return wrap_figure("Clusters", picture, said)


def _svg(height: float, kind: str, label: str, *content: str) -> Markup:
    box = f"0 0 {layout.WIDTH:.0f} {height:.0f}"
    drawn = element("svg", *content, class_=kind, viewBox=box, role="img", aria_label=f"{label}; the tables say more")
    return element("div", drawn, class_="scroll", tabindex=0, role="region", aria_label=label)


def _svg_line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return element("line", **{name: _coordinate(place) for name, place in ends.items()}, class_=class_)


def _svg_text(label: layout.TextLabel, class_: str | None = None) -> Markup:
    return element(
        "text", label.text, x=_coordinate(label.x), y=_coordinate(label.y), text_anchor=label.anchor, class_=class_
    )


def _coordinate(coordinate: float) -> str:
    return f"{coordinate:.1f}"


def _matrices(found: WeightMap) -> Iterator[Markup]:
    largest = max(map(max, found.distances))
    yield _matrix(
        "Distances", found, found.distances, format_number, lambda cell: layout.shade_of_distance(cell or 0, largest)
    )
    yield _matrix("Cosines of task vectors", found, found.cosines, format_cosine, layout.shade_of_cosine)


def _matrix(
    title: str,
    found: WeightMap,
    rows: Sequence[Sequence[float | None]],
    words: Callable[[float | None], str],
    shade: Callable[[float | None], str],
) -> Markup:
    names = [layout.point_name(found, place) for place in range(1, len(rows) + 1)]
    heads = [element("th", str(place), title=label, scope="col") for place, label in enumerate(names, start=1)]
    body = [
        element(
            "tr",
            element("th", label, scope="row"),
            *(
                element("td", words(cell) or "n/a", class_=shade(cell), title=f"{label} / {names[column]}")
                for column, cell in enumerate(row)
            ),
        )
        for label, row in zip(names, rows, strict=True)
    ]
    table = element(
        "table",
        element("caption", title, class_="unseen"),
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *body),
        class_="heat roomy matrix",
    )
    return wrap_figure(title, element("div", table, class_="scroll", tabindex=0, role="region", aria_label=title))


def _versions(found: WeightMap) -> Markup:
    broken, asked = any(found.nonfinite), [one.name for one in found.measured[0]]
    titles = ["", "version", "norm", *(["NaN, infinite"] if broken else []), *asked, "commit", "subject"]
    rows = []
    for place, (member, norm) in enumerate(zip(found.versions, found.norms, strict=True), start=1):
        bad = [element("td", format_magnitude(found.nonfinite[place]), class_="number")] if broken else []
        more = [element("td", format_value(one), class_="number") for one in found.measured[place - 1]]
        cells = [element("td", format_number(norm), class_="number"), *bad, *more]
        cells.append(element("td", abbreviate_id(member.commit)))
        head = [element("td", str(place), class_="number"), element("th", member.label, scope="row")]
        rows.append(element("tr", *head, *cells, element("td", member.subject)))
    heads = [element("th", title, scope="col") for title in titles]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="members")
    return wrap_figure("Versions", element("div", join_markup([table]), class_="scroll"))
