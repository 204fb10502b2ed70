"""The kit for measures, proved by wrong ones that it catches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from git_theta.diffing.measures.base import Measure
from git_theta.diffing.measures.mean_absolute import MeanAbsolute
from git_theta.testing.measures import MeasureLaws

Terms = Callable[[Any, Any], Sequence[float]]


def laws_of(terms: Terms, name: str = "wrong") -> MeasureLaws:
    """The kit for a measure with these terms."""

    class Wrong(Measure):
        summary = "Wrong."

        def terms(self, before: Any, after: Any) -> Sequence[float]:
            return terms(before, after)

        def value(self, sums: Sequence[float], count: int) -> float | None:
            return sums[0]

    Wrong.name = name

    class Laws(MeasureLaws):
        def make_measure(self) -> Measure:
            return Wrong()

    return Laws()


def test_what_is_not_zero_for_equal_stretches_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(lambda before, after: [len(before)]).test_of_equal_stretches_all_terms_are_zero()


def test_what_is_no_sum_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(lambda before, after: [np.abs(after - before).max(initial=0)]).test_terms_are_sums_over_elements()


def test_terms_that_vary_in_number_are_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(lambda before, after: [0.0] * (1 + len(before))).test_terms_are_sums_over_elements()


def test_what_counts_its_calls_is_caught() -> None:
    calls: list[int] = []

    def count(before: Any, after: Any) -> Sequence[float]:
        calls.append(1)
        return [len(calls)]

    with pytest.raises(AssertionError):
        laws_of(count).test_terms_depend_on_the_numbers_alone()


def test_what_changes_the_numbers_is_caught() -> None:
    def clear(before: Any, after: Any) -> Sequence[float]:
        before[:] = 0
        return [0.0]

    with pytest.raises(AssertionError):
        laws_of(clear).test_it_changes_no_numbers_and_keeps_none()
    with pytest.raises(ValueError, match="read-only"):
        laws_of(clear).test_terms_are_sums_over_elements()


def test_what_keeps_the_numbers_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(lambda before, after: after).test_it_changes_no_numbers_and_keeps_none()


def test_a_measure_without_a_name_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(lambda before, after: [0.0], name="").test_it_says_what_it_is()


def test_another_value_than_the_oracles_is_caught() -> None:
    class Laws(MeasureLaws):
        def make_measure(self) -> Measure:
            return MeanAbsolute()

        def oracle(self, before: list[float], after: list[float]) -> float | None:
            return 0.0

    with pytest.raises(AssertionError):
        Laws().test_what_it_should_come_to()
