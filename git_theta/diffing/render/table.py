"""Rows of a report as aligned lines that fit a width: names give way first, then the columns that tell least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.diffing.base import MeasuredChange
from git_theta.diffing.render.colors import Palette, paint
from git_theta.diffing.render.rows import SIGNS, figures_of, format_spec, list_titles, notes_of, shorten_name
from git_theta.words import escape_unprintable

_GAP = "  "
_COMFORTABLE_NAME = 36
"""Columns of a name below which other columns give way to it."""
_MIN_NAME = 20
"""Columns of a name below which the width is exceeded."""


class TableLine(NamedTuple):
    """One row, or the heading of several: the module's name and what is said of it, the most important first.
    ``under`` is the module that a heading named already.
    """

    row: MeasuredChange | None = None
    heading: tuple[str, ...] = ()
    under: str = ""


_DROP_ORDER = ("stored", "norm", "largest", "cosine", "differ", "rank", "relative")
"""The columns of figures as they go, where the width is short; those that were asked for by name go last."""


class _ColumnLayout(NamedTuple):
    """Columns for the name and for dtype and shape, and the columns of figures: titles with their widths."""

    name_width: int
    spec_width: int
    columns: tuple[tuple[str, int], ...]

    def format_row(self, sign: str, name: str, spec: str, figures: Mapping[str, str]) -> str:
        """One line; where the spec runs on, into columns that hold nothing, what stands behind it keeps its place."""
        start = f"{sign} {shorten_name(name, self.name_width):{self.name_width}}{_GAP}"
        cells = "".join(f"{_GAP}{figures.get(title, ''):>{width}}" for title, width in self.columns)
        end = len(start) + self.spec_width + len(cells)
        tail = _GAP + cells.lstrip()
        return f"{start}{spec}{tail:>{max(0, end - len(start) - len(spec))}}".rstrip()


def lay_out_lines(lines: Sequence[TableLine], colors: Palette, width: int, *, hints: bool = True) -> Iterator[str]:
    """The lines, with titles above where there are figures.

    Args:
        lines: rows and headings, in order.
        colors: to print with.
        width: columns there are.
        hints: whether to say of single rows what they look like.
    """
    layout = _choose_layout([line for line in lines if line.row], width)
    if layout.columns:
        yield paint(layout.format_row(" ", "", "", {title: title for title, _ in layout.columns}), colors.dim)
    for line in lines:
        if line.row is None:
            yield _heading(line, colors, width)
        else:
            text = layout.format_row(
                SIGNS[line.row.change.status], _line_name(line), format_spec(line.row.change), _figure_texts(line.row)
            )
            yield from _append_notes(text, line.row, tuple(notes_of(line.row, hints)), colors, width)


def _line_name(line: TableLine) -> str:
    name = escape_unprintable(line.row.change.name) if line.row else ""
    return f"  {name.removeprefix(escape_unprintable(line.under) + '.')}" if line.under else name


def _heading(line: TableLine, colors: Palette, width: int) -> str:
    """The module, and as many of its notes as there is room for."""
    name, *said = line.heading
    room = width - len("  ") - len(_GAP)
    while len(said) > 1 and len(", ".join(said)) + min(len(name), _COMFORTABLE_NAME) > room:
        said.pop()
    words = ", ".join(said)
    return f"  {paint(shorten_name(name, max(_MIN_NAME, room - len(words))), colors.frag)}{_GAP}{words}"


def _append_notes(
    text: str, row: MeasuredChange, said: Sequence[tuple[str, bool]], colors: Palette, width: int
) -> Iterator[str]:
    """The line and its notes: behind it where they fit, else each below."""
    slot = colors.color_of(row.change.status)
    painted = [paint(note, colors.old if bad else "") for note, bad in said]
    if said and len(_GAP.join([text, *(note for note, _ in said)])) <= width:
        yield _GAP.join([paint(text, slot), *painted])
        return
    yield paint(text, slot)
    yield from (f"      {note}" for note in painted)


def _choose_layout(lines: Sequence[TableLine], width: int) -> _ColumnLayout:
    rows = [line.row for line in lines if line.row]
    name = max((len(_line_name(line)) for line in lines), default=0)
    # A row without figures may run on: a long change of shape does not push the figures of all others aside.
    measured = [row for row in rows if len(_figure_texts(row)) > 1] or rows
    middle = max((len(format_spec(row.change)) for row in measured), default=0)
    room = width - len("~ ") - len(_GAP) - middle
    columns = _drop_columns(_column_widths(rows), room - min(name, _COMFORTABLE_NAME))
    left = room - _total_width(columns.values())
    return _ColumnLayout(min(name, max(_MIN_NAME, left)), middle, tuple(columns.items()))


def _column_widths(rows: Sequence[MeasuredChange]) -> dict[str, int]:
    """The columns that hold anything, and how wide they are."""
    widths: dict[str, int] = {}
    for said in map(_figure_texts, rows):
        for title, figure in said.items():
            widths[title] = max(widths.get(title, len(title)), len(figure))
    return {title: widths[title] for title in list_titles(rows) if title in widths}


def _drop_columns(columns: dict[str, int], room: int) -> dict[str, int]:
    """The columns that stay; the last never goes."""
    while len(columns) > 1 and _total_width(columns.values()) > room:
        least = min(columns, key=lambda title: (*_DROP_ORDER, title).index(title))
        columns = {title: width for title, width in columns.items() if title != least}
    return columns


def _total_width(widths: Iterable[int]) -> int:
    return sum(len(_GAP) + width for width in widths)


def _figure_texts(row: MeasuredChange) -> dict[str, str]:
    return {title: figure for title, (figure, _) in figures_of(row).items()}
