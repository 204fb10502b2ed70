"""Tests in pairs leave out no pair."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from tests.pairs import cross_in_pairs


@pytest.mark.parametrize("sizes", [(2, 2, 2), (4, 3, 2), (3, 4, 3), (22, 3, 2)])
def test_any_two_values_meet(sizes: tuple[int, int, int]) -> None:
    rows = cross_in_pairs(*map(range, sizes))
    for one, other in combinations(range(3), 2):
        assert {(row[one], row[other]) for row in rows} == set(product(range(sizes[one]), range(sizes[other])))


def test_a_third_axis_that_is_too_long_is_refused() -> None:
    with pytest.raises(AssertionError, match="not all of the third"):
        cross_in_pairs("abc", "de", "fgh")
