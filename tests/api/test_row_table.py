"""Tables of rows: sequences, text, HTML, frames."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from git_theta.api.row_table import RowTable


class Fruit(NamedTuple):
    name: str
    weight: float | None
    parts: tuple[str, ...]


FRUITS = [Fruit("apple", 1 / 3, ("core", "skin")), Fruit("<b>", None, ())]


def test_a_table_is_a_sequence_of_its_rows() -> None:
    table = RowTable(Fruit, FRUITS)
    assert list(table) == FRUITS
    assert (table[1], table[:1], len(table), table.rows) == (FRUITS[1], (FRUITS[0],), 2, tuple(FRUITS))


def test_it_reads_well_on_a_terminal() -> None:
    assert repr(RowTable(Fruit, FRUITS)).splitlines() == [
        "name   weight  parts",
        "apple  0.3333  core, skin",
        "<b>",
    ]
    assert repr(RowTable(Fruit, [])) == "no Fruit"
    assert repr(RowTable(Fruit, FRUITS * 20, ["name"])).splitlines()[-1] == "and 20 more"


def test_nothing_breaks_out_of_its_html() -> None:
    shown = RowTable(Fruit, FRUITS)._repr_html_()
    assert "<td>&lt;b&gt;</td>" in shown
    assert shown.startswith("<table><thead>")
    assert "and 200 more" in RowTable(Fruit, FRUITS * 200)._repr_html_()


def test_a_frame_has_a_column_for_each_field() -> None:
    frame = RowTable(Fruit, FRUITS, ["name"]).to_frame()
    assert list(frame.columns) == ["name", "weight", "parts"]
    assert list(frame["name"]) == ["apple", "<b>"]
    assert list(RowTable(Fruit, []).to_frame().columns) == ["name", "weight", "parts"]


class Basket(NamedTuple):
    name: str
    counts: Mapping[str, int]


def test_a_frame_has_a_column_for_each_key_and_none_twice() -> None:
    table = RowTable(Basket, [Basket("one", {"apples": 2, "name": 3}), Basket("two", {})], spread=["counts"])
    frame = table.to_frame()
    assert list(frame.columns) == ["name", "apples", "counts.name"]
    assert list(frame["name"]) == ["one", "two"]
    assert list(frame["counts.name"].dropna()) == [3]


def test_what_is_not_installed_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"takes pandas.*: pip install 'git-theta\[notebook\]'"):
        RowTable(Fruit, FRUITS).to_frame()
