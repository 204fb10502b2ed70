"""The laws of ``git_theta.diffing.measures.base``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, get_args

import pytest

from git_theta.diffing.base import Unit
from git_theta.diffing.measures.base import Measure
from git_theta.registry import API
from git_theta.testing.operands import coarse, fine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

_COUNT = 1000
_CLOSE = 1e-9
"""How near sums of two stretches come to those of both together, in shares of what was added."""
_SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 1e-160, 1.0, -1.0, 65504.0, 3.4e38, -3.4e38, 1e150]


class MeasureLaws(ABC):
    """Derive, say how to make the measure, and, where it can be said in a line, what it should come to (``oracle``)."""

    @abstractmethod
    def make_measure(self) -> Measure:
        """The measure under test."""

    def oracle(self, before: list[float], after: list[float]) -> float | None:  # noqa: ARG002
        """What the measure should be for these numbers; NaN to leave it unsaid."""
        return math.nan

    def test_it_says_what_it_is(self) -> None:
        measure = self.make_measure()
        assert measure.name == measure.name.strip() != ""
        assert measure.summary
        assert measure.unit in get_args(Unit)
        assert 1 <= measure.api <= API

    def test_of_equal_stretches_all_terms_are_zero(self) -> None:
        for before, after in _samples():
            assert not any(self._terms(before, before)) and not any(self._terms(after, after))
        assert not any(self._terms(_doubles([]), _doubles([])))

    def test_terms_are_sums_over_elements(self) -> None:
        for before, after in _samples():
            whole = self._terms(before, after)
            for cut in (0, 1, len(before) // 3, len(before)):
                head, tail = self._terms(before[:cut], after[:cut]), self._terms(before[cut:], after[cut:])
                assert len(whole) == len(head) == len(tail)
                for both, *parts in zip(whole, head, tail, strict=True):
                    assert math.isclose(both, sum(parts), rel_tol=_CLOSE, abs_tol=_CLOSE * sum(map(abs, parts)))

    def test_terms_depend_on_the_numbers_alone(self) -> None:
        for before, after in _samples():
            assert self._terms(before, after) == self._terms(before.copy(), after.copy())

    def test_it_changes_no_numbers_and_keeps_none(self) -> None:
        for before, after in _samples():
            copies = before.copy(), after.copy()
            sums = self.make_measure().terms(before, after)
            assert (before == copies[0]).all() and (after == copies[1]).all()
            known = list(map(float, sums))
            before[:], after[:] = 7.0, 9.0
            assert list(map(float, sums)) == known

    def test_a_value_is_a_number_or_none(self) -> None:
        measure = self.make_measure()
        nothing = [0.0] * len(self._terms(_doubles([]), _doubles([])))
        found = [measure.value(nothing, count) for count in (1, _COUNT, 10**12)]
        found += [measure.value(self._terms(*sides), len(sides[0])) for sides in _samples()]
        assert all(value is None or isinstance(float(value), float) for value in found)

    def test_what_it_should_come_to(self) -> None:
        for before, after in _samples():
            wanted = self.oracle(before.tolist(), after.tolist())
            if wanted is None or not math.isnan(wanted):
                found = self.make_measure().value(self._terms(before, after), len(before))
                assert found == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9))

    def _terms(self, before: Doubles, after: Doubles) -> list[float]:
        """The terms of stretches that cannot be written to, as they are never to be."""
        sides = [values.view() for values in (before, after)]
        for side in sides:
            side.flags.writeable = False
        terms = [float(term) for term in self.make_measure().terms(*sides)]
        assert all(map(math.isfinite, terms))
        return terms


def _samples() -> Iterator[tuple[Doubles, Doubles]]:
    """Two versions: weights, numbers that are often equal, opposites, and what arithmetic stumbles over."""
    weights, others = fine(_COUNT, 1), fine(_COUNT, 2)
    yield _doubles(weights), _doubles([value + 0.01 * other for value, other in zip(weights, others, strict=True)])
    yield _doubles(coarse(_COUNT, 3)), _doubles(coarse(_COUNT, 4))
    yield _doubles(weights), _doubles([-value for value in weights])
    yield _doubles([0.0] * _COUNT), _doubles(weights)
    pairs = list(pairwise([*_SPECIAL, *reversed(_SPECIAL)]))
    yield _doubles([one for one, _ in pairs]), _doubles([other for _, other in pairs])


def _doubles(values: list[float]) -> Doubles:
    import numpy as np

    return np.array(values, np.float64)
