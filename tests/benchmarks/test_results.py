"""The arithmetic that a budget is judged by."""

from __future__ import annotations

import pytest

from benchmarks.results import (
    LFS,
    OURS,
    Result,
    StartsNoFilter,
    WithinBytes,
    WithinExcess,
    WithinRatio,
    WithinSeconds,
    WithinTerms,
)


@pytest.fixture
def result() -> Result:
    """Three rounds; everybody was ten times slower in the second."""
    return Result(
        "fp32",
        "add, new",
        ("cp", "openssl"),
        seconds={OURS: [1.0, 10.0, 1.2], LFS: [2.0, 40.0, 2.0], "cp": [0.1, 1.0, 0.3], "openssl": [0.3, 3.0, 0.3]},
        stored={OURS: 900, LFS: 1000},
        filters={OURS: 0, LFS: 1},
    )


def test_a_median_is_of_the_sum_when_tools_follow_each_other(result: Result) -> None:
    assert result.median(OURS) == 1.2
    assert result.median("cp", "openssl") == pytest.approx(0.6)


def test_a_ratio_compares_within_each_round(result: Result) -> None:
    assert result.ratio(LFS) == pytest.approx(0.5)  # of 0.5, 0.25 and 0.6
    assert result.ratio("cp", "openssl") == pytest.approx(2.5)  # of 2.5, 2.5 and 2
    assert result.excess("cp") == pytest.approx(0.9)  # of 0.9, 9 and 0.9
    assert result.excess_over_terms([(2, "cp"), (-1, "openssl")]) == pytest.approx(1.1)  # of 1.1, 11 and 0.9


def test_contenders_of_different_rounds_cannot_be_compared(result: Result) -> None:
    result.seconds[LFS].pop()
    with pytest.raises(ValueError, match="zip"):
        result.median(LFS, "cp")
    with pytest.raises(ValueError, match="zip"):
        result.ratio(LFS)


def test_who_takes_part_once_is_compared_with_that_round(result: Result) -> None:
    result.once = (LFS,)
    result.seconds[LFS] = [4.0]
    assert result.ratio(LFS) == pytest.approx(0.25)
    assert result.median(LFS) == 4.0


@pytest.mark.parametrize(
    ("budget", "met", "words"),
    [
        (WithinRatio(0.5, (LFS,)), True, "≤ 0.5 x git-lfs"),
        (WithinRatio(0.49, (LFS,)), False, "≤ 0.49 x git-lfs"),
        (WithinRatio(2.51, ("cp", "openssl")), True, "≤ 2.51 x (cp + openssl)"),
        (WithinRatio(2.4, ("cp", "openssl")), False, "≤ 2.4 x (cp + openssl)"),
        (WithinTerms(((2, "cp"), (1, LFS), (-1, "openssl"))), True, "≤ 2 x cp + git-lfs - openssl"),
        (WithinTerms(((1.5, "openssl"), (1, "cp"))), False, "≤ 1.5 x openssl + cp"),
        (WithinExcess(0.901, "cp"), True, "≤ 901 ms over cp"),
        (WithinExcess(0.89, "cp"), False, "≤ 890 ms over cp"),
        (WithinSeconds(1.2), True, "≤ 1.2 s"),
        (WithinSeconds(1.1), False, "≤ 1.1 s"),
        (WithinBytes(900), True, "stores ≤ 0.0 MB"),
        (WithinBytes(899), False, "stores ≤ 0.0 MB"),
        (StartsNoFilter(), True, "starts no filter"),
    ],
)
def test_a_budget_is_kept_up_to_its_limit(result: Result, budget: WithinRatio, met: bool, words: str) -> None:
    assert budget.is_met(result) is met
    assert str(budget) == words


def test_one_filter_is_one_too_many(result: Result) -> None:
    result.filters[OURS] = 1
    assert not StartsNoFilter().is_met(result)
