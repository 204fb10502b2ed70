"""A map as text for a terminal: its versions, matrices in aligned columns, clusters as indented lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from git_theta.diffing.render.colors import Palette, choose_palette, paint
from git_theta.diffing.render.formatting import format_cosine, format_number, format_value
from git_theta.diffing.render.map_words import (
    abbreviate_id,
    describe_base,
    describe_compared,
    describe_left_out,
    merge_of,
    nothing_differs,
    shorten_label,
)
from git_theta.diffing.weight_map import WeightMap
from git_theta.words import escape_unprintable

_GAP = "  "
_MAX_NAME = 32
"""Columns of a version's name, beside a matrix."""
_MAX_NAMED = 5
"""Parameters named for each reason."""


def render_map(found: WeightMap, *, color: bool, width: int) -> str:
    """The map, each line ended by a newline.

    Args:
        found: what is printed.
        color: whether to use Git's colours.
        width: columns of the terminal; matrices that are wider go on below.
    """
    colors = choose_palette(color)
    blocks: list[Iterator[str]] = [_head(found, colors), _versions(found, colors)]
    if not nothing_differs(found):
        names = list(_version_names(found))
        blocks += [
            _matrix("distance", names, _spell(found.distances, format_number), colors, width),
            _matrix("cosine", names, _spell(found.cosines, format_cosine), colors, width),
            _clusters(found, colors),
        ]
    if any(found.measured):
        blocks.append(_measures(found, colors, width))
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _head(found: WeightMap, colors: Palette) -> Iterator[str]:
    yield paint(f"map of {escape_unprintable(found.path)}", colors.meta)
    yield f"base        {describe_base(found)}"
    yield f"parameters  {describe_compared(found)}"
    for place, (words, failed) in enumerate(describe_left_out(found, _MAX_NAMED)):
        yield f"{'' if place else 'left out':<10}  {paint(words, colors.old if failed else '')}"
    if any(found.nonfinite):
        yield paint("NaN and infinite values count in no version; the table says how many there are", colors.old)


def _versions(found: WeightMap, colors: Palette) -> Iterator[str]:
    rows = [("", "version", "norm", "NaN, inf", "commit", "subject")]
    for place, (member, norm) in enumerate(zip(found.versions, found.norms, strict=True), start=1):
        bad = f"{found.nonfinite[place]:,}"
        row = (str(place), escape_unprintable(member.label), format_number(norm), bad, abbreviate_id(member.commit))
        rows.append((*row, escape_unprintable(member.subject)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, (at, label, norm_, bad, commit, subject) in enumerate(rows):
        columns = [f"{at:>{widths[0]}} {label:<{widths[1]}}", f"{norm_:>{widths[2]}}"]
        columns += [f"{bad:>{widths[3]}}"] if any(found.nonfinite) else []
        line = _GAP.join([*columns, f"{commit:<{widths[4]}}", subject]).rstrip()
        yield line if place else paint(line, colors.dim)


def _spell(rows: Sequence[Sequence[float | None]], words: Callable[[float | None], str]) -> list[list[str]]:
    return [[words(value) or "-" for value in row] for row in rows]


def _matrix(
    title: str, names: Sequence[str], cells: Sequence[Sequence[str]], colors: Palette, width: int
) -> Iterator[str]:
    """Rows by their names. The columns are versions, by their numbers: as many side by side as there is room for."""
    left, versions = max(len(title), *map(len, names)), len(cells[0])
    cell = max(len(text) for row in [*cells, [str(versions)]] for text in row)
    many = max(1, (width - left) // (cell + len(_GAP)))
    for start in range(0, versions, many):
        heads = [str(place + 1) for place in range(start, min(start + many, versions))]
        yield paint(f"{title:<{left}}" + "".join(f"{_GAP}{head:>{cell}}" for head in heads), colors.dim)
        for name, row in zip(names, cells, strict=True):
            yield f"{name:<{left}}" + "".join(f"{_GAP}{text:>{cell}}" for text in row[start : start + many])


def _measures(found: WeightMap, colors: Palette, width: int) -> Iterator[str]:
    """A line for each measure."""
    lines = list(zip(*found.measured, strict=True))
    cells = [[format_value(one) or "-" for one in line] for line in lines]
    return _matrix("from the base", [line[0].name for line in lines], cells, colors, width)


def _version_names(found: WeightMap) -> Iterator[str]:
    digits = len(str(len(found.versions)))
    for place, member in enumerate(found.versions, start=1):
        yield f"{place:>{digits}} {shorten_label(member.label, _MAX_NAME)}"


def _clusters(found: WeightMap, colors: Palette) -> Iterator[str]:
    """The last merge first; what stands below it, further in, was merged before, at the distance that is named."""
    yield paint("clusters, by average distance", colors.dim)
    names = list(_version_names(found))
    waiting = [(len(found.versions) + len(found.merges) - 1, 0)]
    while waiting:
        cluster, depth = waiting.pop()
        inner = merge_of(found, cluster)
        yield _GAP * depth + (format_number(inner.height) if inner else names[cluster].lstrip())
        waiting += [(child, depth + 1) for child in (inner.right, inner.left)] if inner else []
