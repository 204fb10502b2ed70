"""What the API reports, row by row: a sequence, a table on a terminal and in a notebook, a frame of pandas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from git_theta.api.extras import load_extra

if TYPE_CHECKING:
    import pandas

_MOST_LINES = 20
"""Rows that ``repr`` shows."""
_MOST_SHOWN = 200
"""Rows that a notebook shows."""
_WIDEST = 48
"""Characters of a value in a table of text."""


RowT = TypeVar("RowT", bound=tuple[Any, ...])
"""A named tuple."""


class RowTable(Sequence[RowT]):
    """Rows, in order: named tuples whose fields are the columns.

    Args:
        kind: the class of the rows.
        rows: they.
        shown: the columns that ``repr`` and notebooks show; all of them where none are named. A frame has all.
        spread: fields that are mappings: a frame has a column for each of their keys, ``FIELD.KEY`` where another field
            is called so.
    """

    def __init__(
        self, kind: type[RowT], rows: Iterable[RowT], shown: Sequence[str] = (), *, spread: Sequence[str] = ()
    ) -> None:
        self.rows = tuple(rows)
        self._kind = kind
        self._columns = tuple(kind.__annotations__)
        self._shown = tuple(shown) or self._columns
        self._spread = tuple(spread)

    @overload
    def __getitem__(self, at: int) -> RowT: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[RowT, ...]: ...
    def __getitem__(self, at: int | slice) -> RowT | tuple[RowT, ...]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a frame of pandas (``pip install 'git-theta[notebook]'``), a column for each field.

        Raises ModuleNotFoundError without pandas, which says what to install.
        """
        pandas = load_extra("pandas", "notebook")
        rows = [dict(self._list_cells(row)) for row in self.rows]
        fixed = [title for title in self._columns if title not in self._spread]
        further = dict.fromkeys(title for row in rows for title in row if title not in fixed)
        return pandas.DataFrame(rows, columns=[*fixed, *further])

    def __repr__(self) -> str:
        if not self.rows:
            return f"no {self._kind.__name__}"
        lines = [self._shown, *(self._format_row(row) for row in self.rows[:_MOST_LINES])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*text, *self._describe_rest(_MOST_LINES)])

    def _repr_html_(self) -> str:
        from git_theta.diffing.render.markup import element

        head = element("tr", *(element("th", title) for title in self._shown))
        body = [
            element("tr", *(element("td", cell) for cell in self._format_row(row))) for row in self.rows[:_MOST_SHOWN]
        ]
        rest = [element("p", text) for text in self._describe_rest(_MOST_SHOWN)]
        return element("table", element("thead", head), element("tbody", *body)) + "".join(rest)

    def _list_cells(self, row: RowT) -> Iterator[tuple[str, Any]]:
        for title, value in zip(self._columns, row, strict=True):
            if title in self._spread:
                yield from ((f"{title}.{key}" if key in self._columns else key, one) for key, one in value.items())
            else:
                yield title, value

    def _format_row(self, row: RowT) -> tuple[str, ...]:
        values = dict(zip(self._columns, row, strict=True))
        return tuple([_format_value(values[name]) for name in self._shown])

    def _describe_rest(self, shown: int) -> list[str]:
        return [f"and {len(self) - shown:,} more"] if len(self) > shown else []


def frame_page(page: str) -> str:
    """A whole page as part of a notebook: in a frame of its own, which neither takes its styles nor gives it any."""
    from html import escape

    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" width="100%" height="640" style="border:0"></iframe>'
    )


def _format_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
