"""E + B / D'^beta through measured versions: what made the points is found, and intervals are as wide as they say."""

from __future__ import annotations

import numpy as np
import pytest

from git_theta.operations.comparing.loss_curves import CONFIDENCE, CurveEstimate, LossCurve, LossPoint, fit_curve
from git_theta.operations.comparing.student_distribution import student_bound

FLOOR, FACTOR, EXPONENT = 1.7, 400.0, 0.28


def loss(effective: float) -> float:
    return FLOOR + float(FACTOR / effective**EXPONENT)


def points(count: int, noise: np.random.Generator | None = None) -> list[LossPoint]:
    tokens = [1e9 * 2.0**step for step in range(count)]
    return [LossPoint(one, loss(one) + (noise.normal(0, 0.02) if noise else 0.0)) for one in tokens]


def fitted(found: list[LossPoint]) -> LossCurve:
    curve, reason = fit_curve(found)
    assert curve, reason
    return curve


@pytest.mark.parametrize("count", [3, 5, 9])
def test_the_numbers_that_made_the_points_are_found(count: int) -> None:
    curve = fitted(points(count))
    found = [one.value for one in curve.list_numbers().values()]
    assert found == pytest.approx([FLOOR, FACTOR, EXPONENT], rel=1e-3)
    assert curve.forecast(1e12).value == pytest.approx(loss(1e12), rel=1e-4)


def test_the_order_and_unit_of_points_make_no_difference() -> None:
    some = points(6, np.random.default_rng(1))
    curve, turned = fitted(some), fitted(some[::-1])
    assert turned.forecast(1e12) == pytest.approx(curve.forecast(1e12))
    larger = fitted([LossPoint(1e5 * tokens, 1e90 * value) for tokens, value in some])
    assert larger.exponent == pytest.approx(curve.exponent)
    assert larger.forecast(1e17).value == pytest.approx(1e90 * curve.forecast(1e12).value)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    """200 draws: 95 % within three standard deviations."""
    noise, wanted, held = np.random.default_rng(0), loss(64e9), np.zeros(3)
    for _ in range(200):
        curve = fitted(points(6, noise))
        pairs = [(curve.forecast(64e9), wanted), (curve.floor, FLOOR), (curve.exponent, EXPONENT)]
        held += [(one.low or 0) <= truth <= (one.high or np.inf) for one, truth in pairs]
    assert all(0.904 <= share <= 0.996 for share in held / 200)


def test_an_interval_has_all_curves_that_are_nearly_as_good() -> None:
    """Looked for by brute force: E and B and beta on a grid, with what squares chance allows."""
    some = points(5, np.random.default_rng(3))
    curve = fitted(some)
    tokens, losses = np.array(some).T
    grid = np.meshgrid(
        np.linspace(0, losses.max(), 300), np.linspace(0, 4, 300), np.geomspace(0.01, 4, 150), indexing="ij"
    )
    floors, factors, exponents = (one[..., None] for one in grid)
    squares = ((floors + factors * (tokens / 16e9) ** -exponents - losses) ** 2).sum(-1)
    best = sum((curve.forecast(one).value - value) ** 2 for one, value in some)
    likely = squares <= best * (1 + student_bound(2, CONFIDENCE) ** 2 / 2)
    said = (grid[0] + grid[1] * 2.0 ** -grid[2])[likely]
    found = curve.forecast(32e9)
    assert found.low is not None and found.high is not None
    assert found.low <= said.min() and said.max() <= found.high
    assert (said.min(), said.max()) == pytest.approx((found.low, found.high), abs=0.02)


def test_three_versions_show_no_noise() -> None:
    curve = fitted(points(3))
    numbers = [*curve.list_numbers().values(), curve.forecast(1e12)]
    assert all((one.low, one.high) == (None, None) for one in numbers)


def test_a_beta_that_nothing_bounds_says_so() -> None:
    curve = fitted([LossPoint(1e9 * at, value) for at, value in [(1, 2.9), (2, 2.2), (3, 2.7), (4, 2.4)]])
    assert (curve.exponent.low, curve.exponent.high) == (None, None)
    assert curve.floor.low == 0.0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([(1e9, 3.0), (2e9, 2.5)], "3 versions of different worth are needed"),
        ([(1e9, 3.0), (1e9, 2.9), (2e9, 2.5)], "3 versions of different worth are needed"),
        ([(1e9, 3.0), (2e9, 3.0), (4e9, 3.0)], "it does not fall with tokens"),
        ([(1e9, 2.0), (2e9, 2.5), (4e9, 3.0)], "it does not fall with tokens"),
        ([(1e9, 0.5), (2e9, 0.0), (4e9, -0.5)], "a loss of this form is above 0 and below 1e+100"),
        ([(1e9, 1e101), (2e9, 2.0), (4e9, 1.0)], "a loss of this form is above 0 and below 1e+100"),
    ],
)
def test_no_curve_where_there_is_none(given: list[tuple[float, float]], reason: str) -> None:
    assert fit_curve([LossPoint(*one) for one in given]) == (None, reason)


def test_the_worst_numbers_there_are_give_finite_ones() -> None:
    curve = fitted([LossPoint(1.0, 9e99), LossPoint(1e9, 1.0), LossPoint(1e18, 1e-300), LossPoint(1.6e19, 1e-300)])
    for one in (*curve.list_numbers().values(), curve.forecast(1e19)):
        assert all(np.isfinite(number) for number in one if number is not None)


@pytest.mark.parametrize(("freedom", "bound"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (10, 2.2281), (31, 2.0395)])
def test_student_s_bounds_are_those_of_the_tables(freedom: int, bound: float) -> None:
    assert student_bound(freedom, CONFIDENCE) == pytest.approx(bound, abs=1e-4)


def test_an_estimate_lies_in_its_interval() -> None:
    found: CurveEstimate = fitted(points(5, np.random.default_rng(5))).forecast(32e9)
    assert found.low is not None and found.high is not None
    assert found.low <= found.value <= found.high
