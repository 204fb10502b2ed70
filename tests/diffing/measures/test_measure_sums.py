"""What measures sum up: exactly, in whatever order, and behind the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from git_theta.diffing.base import COLUMNS, NamedValue
from git_theta.diffing.measures.base import MEASURES, Measure
from git_theta.diffing.measures.measure_sums import MeasureSums
from git_theta.errors import PluginError
from git_theta.known_plugins import BUILT_IN

NAMES = ("sign-flips", "mean-absolute")


class OddMeasure(Measure):
    """Answers with what the test says."""

    name = "odd"
    summary = "Anything."
    answer: Any = (0.0,)
    result: Any = 1.0

    def terms(self, before: Any, after: Any) -> Sequence[float]:
        if len(before) and callable(self.answer):
            return self.answer(before)  # type: ignore[no-any-return]
        return self.answer if len(before) else (0.0,)

    def value(self, sums: Sequence[float], count: int) -> float | None:
        return self.result  # type: ignore[no-any-return]


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> OddMeasure:
    """The one that is called "odd", as if it shipped with us."""
    monkeypatch.setitem(BUILT_IN["measures"], "odd", f"{__name__}:ODD")
    monkeypatch.setattr(f"{__name__}.ODD", found := OddMeasure(), raising=False)
    monkeypatch.setattr(MEASURES, "_loaded", {})
    return found


ODD = OddMeasure()


def sums_of(before: list[float], after: list[float], *names: str) -> MeasureSums:
    sums = MeasureSums(names or NAMES)
    with np.errstate(all="ignore"):
        sums.add(np.array(before), np.array(after))
    return sums


def test_values_are_in_the_order_that_was_asked_for() -> None:
    found = sums_of([1, -2, 0, 4], [-1, -3, 5, 4]).list_values(4)
    assert found == (NamedValue("sign-flips", 0.25, "share"), NamedValue("mean-absolute", 2.0, "number"))


def test_sums_are_exact_in_any_order() -> None:
    small, huge = sums_of([0.0], [2.0**-60]), sums_of([0.0], [2.0**60])
    one = small.plus(huge).plus(small)
    other = huge.plus(small.plus(small))
    assert one.list_values(1) == other.list_values(1)
    thrice = small.plus(small).plus(small)
    assert thrice.list_values(3)[1].value == 2.0**-60


def test_without_any_change_the_values_are_those_of_zeros() -> None:
    assert [one.value for one in MeasureSums(NAMES).list_values(10)] == [0, 0]
    assert [one.value for one in MeasureSums(NAMES).list_values(0)] == [None, None]


def test_what_no_double_holds_has_no_value() -> None:
    both = sums_of([1.7e308], [-1.7e308]).plus(sums_of([0.0], [1.0]))
    assert [one.value for one in both.list_values(2)] == [0.5, None]


def test_numbers_cannot_be_written_to(odd: OddMeasure) -> None:
    odd.answer = lambda before: before.fill(0)
    with pytest.raises(PluginError, match=r"the measure 'odd' of git-theta.* failed: ValueError: .*read-only"):
        sums_of([1.0], [2.0], "odd")


@pytest.mark.parametrize("answer", [(1.0, 2.0), ("many",), None])
def test_terms_that_are_none_are_the_measures_fault(odd: OddMeasure, answer: object) -> None:
    odd.answer = answer
    with pytest.raises(PluginError, match="the measure 'odd' of git-theta"):
        sums_of([1.0], [2.0], "odd")


@pytest.mark.parametrize("result", [float("nan"), float("inf"), None])
def test_a_value_that_is_not_finite_is_none(odd: OddMeasure, result: float | None) -> None:
    odd.result = result
    assert sums_of([1.0], [2.0], "odd").list_values(1) == (NamedValue("odd", None),)


def test_a_value_that_is_no_number_is_the_measures_fault(odd: OddMeasure) -> None:
    odd.result = "much"
    with pytest.raises(PluginError, match=r"'odd' of git-theta.* failed: ValueError"):
        sums_of([1.0], [2.0], "odd").list_values(1)


def test_a_measure_takes_no_column_that_every_diff_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN["measures"], COLUMNS[0], f"{__name__}:ODD")
    monkeypatch.setattr(ODD, "name", COLUMNS[0], raising=False)
    with pytest.raises(PluginError, match="every diff has a column that is called 'relative'"):
        MEASURES.load_plugin(COLUMNS[0])
