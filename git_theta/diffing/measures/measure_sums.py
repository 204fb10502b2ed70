"""What measures sum up, stretch by stretch: the one place that calls them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from git_theta.diffing.base import NamedValue
from git_theta.diffing.measures.base import MEASURES
from git_theta.tensors.inner_products import ExactSum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class MeasureSums:
    """The sums of some measures, so far.

    Args:
        names: of the measures. Raises PluginError where one is not installed, or fails.
    """

    def __init__(self, names: Iterable[str]) -> None:
        import numpy as np

        nothing = np.empty(0)
        self._sums = {name: [ExactSum() for _ in _read_terms(name, nothing, nothing)] for name in names}
        self._unbounded = set[str]()

    def add(self, before: Doubles, after: Doubles) -> None:
        """The next stretch of both versions: finite numbers. Raises PluginError where a measure fails."""
        sides = [values.view() for values in (before, after)]
        for side in sides:
            side.flags.writeable = False  # they are read by other measures, too
        for name, sums in self._sums.items():
            terms = _read_terms(name, *sides)
            if len(terms) != len(sums):
                raise MEASURES.reject_answer(name, f"has {len(sums)} terms, and then {len(terms)}")
            if all(map(math.isfinite, terms)):
                for total, term in zip(sums, terms, strict=True):
                    total.add(term)
            else:
                self._unbounded.add(name)

    def plus(self, other: MeasureSums) -> MeasureSums:
        """Over the stretches of both, which are of the same measures."""
        both = MeasureSums(())
        both._sums = {
            name: [one.plus(more) for one, more in zip(sums, other._sums[name], strict=True)]
            for name, sums in self._sums.items()
        }
        both._unbounded = self._unbounded | other._unbounded
        return both

    def list_values(self, count: int) -> tuple[NamedValue, ...]:
        """The values, of ``count`` numbers of each version; None where a term, or the value, was not finite."""
        return tuple([self._find_value(name, count) for name in self._sums])

    def _find_value(self, name: str, count: int) -> NamedValue:
        measure, sums = MEASURES.load_plugin(name), [total.value() for total in self._sums[name]]
        if not count or name in self._unbounded:
            return NamedValue(name, None, measure.unit)
        with MEASURES.guard(name):
            found = measure.value(sums, count)
            value = None if found is None else float(found)
        return NamedValue(name, value if value is not None and math.isfinite(value) else None, measure.unit)


def _read_terms(name: str, before: NDArray[Any], after: NDArray[Any]) -> Sequence[float]:
    measure = MEASURES.load_plugin(name)
    with MEASURES.guard(name):
        return [float(term) for term in measure.terms(before, after)]
