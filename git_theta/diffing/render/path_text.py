"""The line between two versions as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.diffing.render.colors import choose_palette, paint
from git_theta.diffing.render.formatting import format_cosine, format_number
from git_theta.diffing.render.map_words import describe_base, describe_compared, describe_left_out, shorten_label
from git_theta.diffing.weight_path import WeightPath
from git_theta.words import escape_unprintable

_GAP = "  "
_MAX_NAME = 32
_MAX_NAMED = 5


class ScoreColumn(NamedTuple):
    """What an evaluation says.

    Attributes:
        name: of the evaluation.
        scores: of each point.
        barrier: how far the worst falls short of the line.
        interval: of the barrier, at 95 %; None for none.
    """

    name: str
    scores: Sequence[float]
    barrier: float
    interval: tuple[float, float] | None = None


def render_path(found: WeightPath, scores: ScoreColumn | None = None, *, color: bool) -> str:
    """The path, each line ended by a newline. ``color``: whether to use Git's colours."""
    colors = choose_palette(color)
    first, second = (shorten_label(member.label, _MAX_NAME) for member in found.map.versions)
    lines = [
        paint(f"path of {escape_unprintable(found.map.path)} from {first} to {second}", colors.meta),
        f"base        {describe_base(found.map)}",
        f"parameters  {describe_compared(found.map)}",
        *_describe_left_out(found),
        f"distance    {format_number(found.distance)}",
        f"cosine      {format_cosine(found.cosine) or '-'}",
        *([f"barrier     {_describe_barrier(scores)}"] if scores else []),
        "",
    ]
    return "".join(f"{line}\n" for line in [*lines, *_render_points(found, (first, second), scores)])


def _describe_barrier(scores: ScoreColumn) -> str:
    height = f"{scores.barrier:.4g} of {escape_unprintable(scores.name)}"
    if scores.interval is None:
        return height
    low, high = scores.interval
    return f"{height}, {'beyond' if low > 0 else 'within'} chance (95 %: {low:.4g} to {high:.4g})"


def _describe_left_out(found: WeightPath) -> Iterator[str]:
    for place, (words, _) in enumerate(describe_left_out(found.map, _MAX_NAMED)):
        yield f"{'' if place else 'left out':<10}  {words}"
    if any(found.map.nonfinite):
        yield "NaN and infinite values count in no version"


def _render_points(found: WeightPath, names: tuple[str, str], scores: ScoreColumn | None) -> Iterator[str]:
    rows = [["t", *(f"from {name}" for name in names), "from the base"]]
    rows += [[f"{point.t:.4g}", *map(format_number, point[1:])] for point in found.points]
    if scores:
        cells = [escape_unprintable(scores.name), *map("{:.4f}".format, scores.scores)]
        rows = [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
