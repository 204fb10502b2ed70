"""What changes a program is noticed by running it."""

from __future__ import annotations

import ast
from itertools import islice

import pytest

from tests.mutation.__main__ import ROOMS
from tests.mutation.copies import ROOT
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
