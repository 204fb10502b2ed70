"""The seam of a measure: a number that says how far two versions are apart, made of sums over their elements.

The numbers that every diff has (norms, cosine, rank ...) come out of one pass that shares squares among them, and are
no measures of this kind: each by itself would read the same values again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_theta.diffing.base import COLUMNS, Unit
from git_theta.errors import PluginError
from git_theta.registry import Family, make_instance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


class Measure(ABC):
    """How much values changed, as one number: of a parameter in a diff, of a whole checkpoint in a map.

    The values come in stretches of both versions, side by side. What you return of a stretch is added up exactly, over
    stretches, parameters and shards in any order, so that a value depends on no thread and memory stays bounded.

    Law:
        - ``terms`` are sums over elements: of two stretches that are joined they are the sums of both.
        - Of two equal stretches they are all 0, of empty ones too: what ids tell to be the same is never read.
        - ``terms`` depends on its arguments alone, and changes and keeps neither.

    Attributes:
        name: what people, columns and JSON call it; none of the columns that every diff has.
        summary: what it tells, in a line.
        unit: how its values are printed.
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
    """

    name: str
    summary: str
    unit: Unit = "number"
    api: int = 1

    @abstractmethod
    def terms(self, before: Doubles, after: Doubles) -> Sequence[float]:
        """The sums of a stretch: always as many.

        Args:
            before: numbers of one version, 1-D, in the order of the file: fp64, whatever the dtype. A complex number is
                two of them; where one is NaN or infinite at either version, it is 0 at both.
            after: those of the other version, as many.
        """

    @abstractmethod
    def value(self, sums: Sequence[float], count: int) -> float | None:
        """What they come to.

        Args:
            sums: of all stretches, term by term.
            count: how many numbers both versions have, those included that are the same: at least 1.

        None where there is no such number.
        """


def _adopt_measure(found: object) -> Measure:
    measure = make_instance(Measure)(found)
    if measure.name in COLUMNS:
        raise PluginError(f"every diff has a column that is called {measure.name!r}")
    return measure


MEASURES = Family("measures", _adopt_measure)
