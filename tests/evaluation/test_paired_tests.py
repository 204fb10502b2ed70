"""Tests of paired scores, against values that were computed otherwise: by hand, by enumeration, by published tables."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import product

import pytest

from git_theta.evaluation.paired_tests import adjust_holm, estimate_interval, permutation_test, sign_test


def enumerate_sign_test(lost: int, won: int) -> Fraction:
    """All sequences of losses and wins that are at least as uneven, counted one by one."""
    total = lost + won
    uneven = abs(lost - won)
    return Fraction(sum(abs(2 * sum(one) - total) >= uneven for one in product((0, 1), repeat=total)), 2**total)


@pytest.mark.parametrize(("lost", "won"), [(0, 1), (1, 0), (0, 6), (1, 9), (4, 4), (3, 8), (2, 13)])
def test_the_sign_test_counts_every_sequence(lost: int, won: int) -> None:
    assert sign_test(lost, won) == pytest.approx(float(enumerate_sign_test(lost, won)), rel=1e-15)


def test_the_sign_test_of_a_published_example() -> None:
    """mnist 9 of the science bench: 35 lost, none won: twice 2 to the minus 35."""
    assert sign_test(35, 0) == 2**-34
    assert sign_test(0, 0) == 1


def test_large_counts_are_as_exact_as_small_ones() -> None:
    """Above some thousands logarithms are summed: whole numbers say the same."""
    for lost, won in ((2000, 2200), (2400, 2600), (4_096, 1)):
        total, fewer = lost + won, min(lost, won)
        exact = Fraction(2 * sum(math.comb(total, k) for k in range(fewer + 1)), 2**total)
        assert sign_test(lost, won) == pytest.approx(float(exact), rel=1e-9)


def test_a_million_items_take_no_time_and_underflow_to_nothing_wrong() -> None:
    assert sign_test(490_000, 510_000) == pytest.approx(0.0, abs=1e-80)
    assert 0.99 < sign_test(500_000, 500_001) <= 1


def enumerate_permutations(differences: list[float]) -> float:
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(one >= observed - 1e-12 for one in sums) / len(sums)


@pytest.mark.parametrize("seed", range(4))
def test_the_permutation_test_comes_near_all_permutations(seed: int) -> None:
    drawn = random.Random(seed)
    differences = [drawn.gauss(0.4, 1) for _ in range(12)]
    exact = enumerate_permutations(differences)
    # 10,000 draws: three standard errors.
    assert permutation_test(differences, 0, "") == pytest.approx(
        exact, abs=3 * math.sqrt(exact * (1 - exact) / 10_000) + 2e-4
    )


def test_the_permutation_test_is_never_zero_and_is_one_where_nothing_differs() -> None:
    assert permutation_test([1.0] * 200, 0, "") == pytest.approx(1 / 10_001)
    assert permutation_test([0.0] * 20, 0, "") == 1
    assert permutation_test([], 0, "") == 1
    assert permutation_test([1e-300, -1e-300, 2e-300], 0, "") > 0.2
    assert permutation_test([1e300] * 3, 0, "") > 0.2


def test_what_is_drawn_depends_on_seed_and_bucket_alone() -> None:
    differences = [0.1 * (at % 7) - 0.29 for at in range(500)]
    assert permutation_test(differences, 1, "a") == permutation_test(differences, 1, "a")
    assert permutation_test(differences, 1, "a") != permutation_test(differences, 2, "a")
    assert permutation_test(differences, 1, "a") != permutation_test(differences, 1, "b")
    # Items that do not differ change nothing but the sum by nothing.
    assert permutation_test([*differences, 0.0, 0.0], 1, "a") == permutation_test(differences, 1, "a")


def test_a_known_draw_stays_what_it_is() -> None:
    """The words of Philox 4x64 are the same in every release of numpy: so are results that people wrote down."""
    assert permutation_test([0.5, 0.25, -0.125, 0.75, -0.5, 0.375], 0, "arabic") == KNOWN_P


KNOWN_P = 3471 / 10_001


def test_holm_by_hand() -> None:
    """S. Holm's own order: 4 x .01, 3 x .013, 2 x .03 and 1 x .04, none below the one before."""
    assert adjust_holm([0.04, 0.01, 0.03, 0.013]) == pytest.approx([0.06, 0.04, 0.06, 0.04])
    assert adjust_holm([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_holm([]) == []


def test_the_interval_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1, standard error 1 / sqrt 3; the 97.5 % quantile is 1.959964."""
    low, high = estimate_interval([1, 2, 3], [1, 1, 1], 0.05) or (0, 0)
    assert (low, high) == pytest.approx((2 - 1.959964 / math.sqrt(3), 2 + 1.959964 / math.sqrt(3)), abs=1e-6)
    assert estimate_interval([1], [1], 0.05) is None
    assert estimate_interval([1, 1], [1, 3], 0.05) == (1, 1)


def test_the_interval_holds_as_often_as_it_says() -> None:
    drawn = random.Random(0)
    held = 0
    for _ in range(1000):
        low, high = estimate_interval([drawn.gauss(0.3, 1) for _ in range(60)], [1] * 60, 0.1) or (0, 0)
        held += low <= 0.3 <= high
    assert 870 <= held <= 925
