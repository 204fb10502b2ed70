"""Which distances are usual in a round."""

from __future__ import annotations

import pytest

from git_theta.merging.policies.round_screening import screen_distances


def test_what_lies_far_from_the_median_is_unusual() -> None:
    found = screen_distances([1.0, 2.0, 3.0, 4.0, 100.0], 4)
    assert (found.median, found.least, found.most, found.omitted) == (3, 0, 7, "")
    assert [found.is_usual(distance) for distance in (0, 7, 7.1, 100)] == [True, True, False, False]


def test_heads_that_happen_to_be_alike_do_not_screen_out_the_next_one() -> None:
    found = screen_distances([1.0, 1.0, 1.0, 1.6], 4)
    assert found.is_usual(1.6), "a deviation is a fifth of the median at least"
    assert not found.is_usual(1.9)
    assert not found.is_usual(0.1)


@pytest.mark.parametrize("distances", [[1.0], [1.0, 100.0]])
def test_few_heads_are_not_screened_and_that_is_told(distances: list[float]) -> None:
    found = screen_distances(distances, 4)
    assert all(map(found.is_usual, distances))
    assert found.omitted == "of fewer than 3 heads nobody knows what is usual"


def test_no_deviations_are_any_distance() -> None:
    found = screen_distances([1.0, 1.0, 100.0], 0)
    assert found.is_usual(100)
    assert found.omitted == "mad is 0"
    assert screen_distances([], 4).omitted == ""


def test_honest_heads_are_seldom_left_out() -> None:
    """The promise that chose the floor: rounds whose heads differ by 20 % keep all of them, 95 of 100 times."""
    import numpy as np

    generator = np.random.Generator(np.random.Philox(1))
    for heads in (3, 4, 5, 6, 8, 16):
        rounds = [np.exp(generator.normal(0, 0.2, heads)).tolist() for _ in range(300)]
        kept = sum(all(map(screen_distances(one, 4).is_usual, one)) for one in rounds)
        assert kept >= 285, heads
