"""Barriers, against values by hand: the worst mix, and whether chance explains how bad it is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist, stdev

import pytest

from git_theta.evaluation.barriers import Barrier, find_barrier
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.running import CheckpointScores


def scores(*values: float, ids: str = "abcdefgh") -> CheckpointScores:
    return CheckpointScores(tuple(ItemScore(name, value) for name, value in zip(ids, values, strict=False)), {}, 0.0)


def barrier(*points: CheckpointScores, direction: str = "up") -> Barrier:
    """Of points at even distances."""
    places = [number / (len(points) - 1) for number in range(len(points))]
    return find_barrier(places, [one.mean or 0.0 for one in points], direction, points.__getitem__)


def test_the_worst_mix_falls_short_of_the_line_by_hand() -> None:
    found = barrier(scores(1, 1, 0, 1), scores(0, 1, 0, 1), scores(0, 0, 0, 1), scores(1, 0, 1, 1), scores(1, 1, 1, 1))
    # The line is at 0.75, 0.8125, 0.875, 0.9375, 1: half way lacks 0.625, in items 1, 1, 0.5 and 0.
    reach = NormalDist().inv_cdf(1 - 0.05 / 3 / 2) * stdev([1, 1, 0.5, 0]) / 2
    assert found.height == 0.625
    assert found.interval == pytest.approx((0.625 - reach, 0.625 + reach))


@pytest.mark.parametrize(("direction", "height"), [("up", 0.0), ("down", 1.0)])
def test_a_loss_is_worse_where_it_is_higher(direction: str, height: float) -> None:
    found = barrier(scores(1, 2), scores(2, 3), scores(1, 2), direction=direction)
    assert found.height == height
    assert (found.interval is None) == (not height)


@pytest.mark.parametrize("points", [[scores(1, 1), scores(0, 0)], [scores(1), scores(0), scores(1)]])
def test_without_a_mix_or_with_one_item_there_is_no_interval(points: Sequence[CheckpointScores]) -> None:
    assert barrier(*points) == Barrier(float(len(points) > 2))


def test_items_that_one_point_lacks_are_in_no_interval() -> None:
    found = barrier(scores(1, 1, 1), scores(0, 0.5, 0.25), scores(1, 1, ids="ab"))
    wanted = barrier(scores(1, 1), scores(0, 0.5), scores(1, 1))
    assert found.interval == wanted.interval
    assert found.height == 0.75
