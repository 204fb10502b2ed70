"""Rows of a report as aligned lines that fit a width: names give way first, then the columns that tell least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.diffing.base import Measured
from git_theta.diffing.render.colors import Palette, paint
from git_theta.diffing.render.rows import SIGNS, TITLES, figures, notes, shortened, spec
from git_theta.words import printable

_GAP = "  "
_SHORTEST = 36
"""Columns of a name below which other columns give way to it."""
_LEAST = 20
"""Columns of a name below which the width is exceeded."""


class Line(NamedTuple):
    """One row, or the heading of several: the module's name and what is said of it, the most important first.
    ``under`` is the module that a heading named already.
    """

    row: Measured | None = None
    heading: tuple[str, ...] = ()
    under: str = ""


_LEAST_FIRST = ("stored", "norm", "largest", "cosine", "differ", "rank", "relative")
"""The columns of figures as they go, where the width is short."""


class _Layout(NamedTuple):
    """Columns for the name and for dtype and shape, and the columns of figures: titles with their widths."""

    name: int
    spec: int
    columns: tuple[tuple[str, int], ...]

    def row(self, sign: str, name: str, spec: str, figures: Mapping[str, str]) -> str:
        """One line; where the spec runs on, into columns that hold nothing, what stands behind it keeps its place."""
        start = f"{sign} {shortened(name, self.name):{self.name}}{_GAP}"
        cells = "".join(f"{_GAP}{figures.get(title, ''):>{width}}" for title, width in self.columns)
        end = len(start) + self.spec + len(cells)
        tail = _GAP + cells.lstrip()
        return f"{start}{spec}{tail:>{max(0, end - len(start) - len(spec))}}".rstrip()


def laid_out(lines: Sequence[Line], colors: Palette, width: int, *, hints: bool = True) -> Iterator[str]:
    """The lines, with titles above where there are figures.

    Args:
        lines: rows and headings, in order.
        colors: to print with.
        width: columns there are.
        hints: whether to say of single rows what they look like.
    """
    layout = _layout([line for line in lines if line.row], width)
    if layout.columns:
        yield paint(layout.row(" ", "", "", {title: title for title, _ in layout.columns}), colors.dim)
    for line in lines:
        if line.row is None:
            yield _heading(line, colors, width)
        else:
            text = layout.row(SIGNS[line.row.change.status], _name(line), spec(line.row.change), _said(line.row))
            yield from _with_notes(text, line.row, tuple(notes(line.row, hints)), colors, width)


def _name(line: Line) -> str:
    name = printable(line.row.change.name) if line.row else ""
    return f"  {name.removeprefix(printable(line.under) + '.')}" if line.under else name


def _heading(line: Line, colors: Palette, width: int) -> str:
    """The module, and as much of what is said of it as there is room for."""
    name, *said = line.heading
    room = width - len("  ") - len(_GAP)
    while len(said) > 1 and len(", ".join(said)) + min(len(name), _SHORTEST) > room:
        said.pop()
    words = ", ".join(said)
    return f"  {paint(shortened(name, max(_LEAST, room - len(words))), colors.frag)}{_GAP}{words}"


def _with_notes(
    text: str, row: Measured, said: Sequence[tuple[str, bool]], colors: Palette, width: int
) -> Iterator[str]:
    """The line and its notes: behind it where they fit, else each below."""
    slot = colors.of(row.change.status)
    painted = [paint(note, colors.old if bad else "") for note, bad in said]
    if said and len(_GAP.join([text, *(note for note, _ in said)])) <= width:
        yield _GAP.join([paint(text, slot), *painted])
        return
    yield paint(text, slot)
    yield from (f"      {note}" for note in painted)


def _layout(lines: Sequence[Line], width: int) -> _Layout:
    rows = [line.row for line in lines if line.row]
    name = max((len(_name(line)) for line in lines), default=0)
    # A row without figures may run on: a long change of shape does not push the figures of all others aside.
    measured = [row for row in rows if len(_said(row)) > 1] or rows
    middle = max((len(spec(row.change)) for row in measured), default=0)
    room = width - len("~ ") - len(_GAP) - middle
    columns = _fitting(_widths(rows), room - min(name, _SHORTEST))
    left = room - _together(columns.values())
    return _Layout(min(name, max(_LEAST, left)), middle, tuple(columns.items()))


def _widths(rows: Sequence[Measured]) -> dict[str, int]:
    """The columns that hold anything, and how wide they are."""
    widths: dict[str, int] = {}
    for said in map(_said, rows):
        for title, figure in said.items():
            widths[title] = max(widths.get(title, len(title)), len(figure))
    return {title: widths[title] for title in TITLES if title in widths}


def _fitting(columns: dict[str, int], room: int) -> dict[str, int]:
    """The columns that stay; the last never goes."""
    while len(columns) > 1 and _together(columns.values()) > room:
        least = min(columns, key=_LEAST_FIRST.index)
        columns = {title: width for title, width in columns.items() if title != least}
    return columns


def _together(widths: Iterable[int]) -> int:
    return sum(len(_GAP) + width for width in widths)


def _said(row: Measured) -> dict[str, str]:
    return {title: figure for title, (figure, _) in figures(row).items()}
