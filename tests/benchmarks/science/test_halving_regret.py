"""What searches among scored candidates come to: halving, and equal shares."""

from __future__ import annotations

import numpy as np

from benchmarks.science.halving_regret import measure_regrets, render_regrets


def test_halving_is_nearer_to_the_best_than_equal_shares_of_as_many_items() -> None:
    random = np.random.default_rng(0)
    quality = np.linspace(0.3, 0.6, 28)
    right = random.random((28, 2_000)) < quality[:, None]
    regrets = list(measure_regrets(right))
    assert [one.items for one in regrets] == [150, 300, 600, 1_200]
    assert all(one.halving < one.equal for one in regrets[1:])
    assert all(one.scored < 0.55 * 28 * one.items for one in regrets[1:])
    assert regrets[-1].halving < regrets[0].halving


def test_of_candidates_that_are_alike_nothing_is_lost() -> None:
    right = np.tile(np.random.default_rng(0).random(400) < 0.5, (5, 1))
    regrets = list(measure_regrets(right))
    assert {(one.halving, one.equal) for one in regrets} == {(0.0, 0.0)}
    assert "| 300 " in render_regrets(regrets, 5)
