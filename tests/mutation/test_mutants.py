"""What changes a program is noticed by running it."""

from __future__ import annotations

import ast
from itertools import islice

import pytest

from tests.mutation.__main__ import ROOMS, report_file
from tests.mutation.copies import ROOT
from tests.mutation.explained import EXPLANATIONS, Explanation, stale_explanations
from tests.mutation.mutants import mutants_of


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("x = 1 < 2", ["x = 1 <= 2"]),
        ("x = a and b", ["x = a or b"]),
        ("x = not a", ["x = not not a"]),
        ("x = f()", ["x = []"]),
        ("def f():\n    return g()", ["def f():\n    return []"]),
        ("f()", ["pass"]),
        ("raise f()", ["pass"]),
        ("x = 1", []),
    ],
)
def test_each_change_is_one_and_is_named(source: str, wrong: list[str]) -> None:
    assert [mutant.source for mutant in mutants_of(source, 0)] == wrong


def test_the_seed_decides_the_order_and_nothing_else() -> None:
    source = "a = 1 < 2\nb = 3 == 4\nf()\ng()\n"
    first, other = list(mutants_of(source, 1)), list(mutants_of(source, 2))
    assert first == list(mutants_of(source, 1))
    assert first != other
    assert sorted(first) == sorted(other)


@pytest.mark.parametrize("file", ROOMS)
def test_the_rooms_and_their_tests_are_there(file: str) -> None:
    tried = list(islice(mutants_of((ROOT / file).read_text(), 0), 3))
    assert len(tried) == 3
    assert all(ast.parse(mutant.source) for mutant in tried)
    assert all((ROOT / test).exists() for test in ROOMS[file])


SOURCE = "def f():\n    g()\n    return 1 < 2\n"
"""A program of which two changes can be made."""


def reports_of(*explanations: Explanation, unnoticed: str) -> tuple[list[str], list[str], list[Explanation]]:
    """What is said of the program when tests notice no change of this: unnoticed, explained, and what is stale."""
    tried = list(mutants_of(SOURCE, 0))
    report = report_file("f.py", SOURCE, tried, [one for one in tried if one.before == unnoticed], explanations)
    assert report.tried == 2
    return [one.before for one in report.unnoticed], [one.reason for one in report.explained], report.stale


def test_a_survivor_that_is_explained_is_counted_apart() -> None:
    explained = Explanation("f.py", "return 1 < 2", "1 <= 2", "it is true anyway")
    assert reports_of(unnoticed="1 < 2") == (["1 < 2"], [], [])
    assert reports_of(explained, unnoticed="1 < 2") == ([], ["it is true anyway"], [])


@pytest.mark.parametrize(
    "stale",
    [
        Explanation("f.py", "g()", "pass", "a test notices it by now"),
        Explanation("f.py", "return 1 > 2", "1 >= 2", "the line has changed"),
        Explanation("f.py", "return 1 < 2", "1 == 2", "nobody makes this change"),
    ],
)
def test_an_explanation_out_of_date_is_told_of(stale: Explanation) -> None:
    assert reports_of(stale, unnoticed="1 < 2") == (["1 < 2"], [], [stale])


def test_every_explanation_is_of_a_change_that_can_be_made() -> None:
    assert {one.file for one in EXPLANATIONS} <= ROOMS.keys()
    assert not [stale for file in ROOMS for stale in stale_explanations(file, (ROOT / file).read_text())]
