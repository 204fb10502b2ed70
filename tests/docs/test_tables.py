"""Tables of pages are tables: a row that stands apart, or has another number of cells, is shown as text."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.docs.test_links import FENCED, PAGES, ROOT

_BAR = re.compile(r"(?<!\\)\|")  # in code, too, one ends a cell
_RULE = re.compile(r"\|(?: ?:?-+:? ?\|)+")


def tables_of(page: Path) -> list[list[str]]:
    """The rows of each table, its head and the rule below that among them."""
    lines = FENCED.sub("", page.read_text()).splitlines()
    return [list(rows) for is_row, rows in itertools.groupby(lines, lambda line: line.startswith("|")) if is_row]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_is_in_a_table(page: Path) -> None:
    for head, *rows in tables_of(page):
        assert rows and _RULE.fullmatch(rows[0]), f"{head!r} begins no table"
        widths = {row: len(_BAR.findall(row)) for row in (head, *rows)}
        assert {row: width for row, width in widths.items() if width != widths[head]} == {}
