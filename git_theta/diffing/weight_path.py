"""The straight line between two versions of a checkpoint: points on it, and how far they are from what is known."""

from __future__ import annotations

import math
from typing import NamedTuple

from git_theta.diffing.weight_map import WeightMap


class PathPoint(NamedTuple):
    """The mix (1 - t) A + t B.

    Attributes:
        t: 0 at A, 1 at B.
        from_first, from_second: Euclidean distances from A and B.
        from_base: that from the base.
    """

    t: float
    from_first: float
    from_second: float
    from_base: float


class WeightPath(NamedTuple):
    """The line from A to B.

    Attributes:
        map: of the two versions: their names, base, and how far they are apart.
        points: on it, from A to B, at equal distances.
    """

    map: WeightMap
    points: tuple[PathPoint, ...]

    @property
    def distance(self) -> float:
        """From A to B."""
        return self.map.distances[0][1]

    @property
    def cosine(self) -> float | None:
        """Between the task vectors of A and B; None where one of them is zero."""
        return self.map.cosines[0][1]


def lay_path(found: WeightMap, count: int) -> WeightPath:
    """The line between the two versions of a map, with so many points, two or more.

    No mix is computed: with a, b and d the distances of A and B from the base, and of A from B, that of the mix is the
    root of (1 - t) a^2 + t b^2 - t (1 - t) d^2 (Stewart's theorem).
    """
    first, second = found.norms
    apart = found.distances[0][1]
    points = []
    for place in range(count):
        t = place / (count - 1)
        square = (1 - t) * first * first + t * second * second - t * (1 - t) * apart * apart
        points.append(PathPoint(t, t * apart, (1 - t) * apart, math.sqrt(max(0.0, square))))
    return WeightPath(found, tuple(points))
