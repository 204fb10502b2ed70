"""Points on the line between two versions, against the mixes themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from git_theta.diffing.weight_map import MapVersion, WeightMap
from git_theta.diffing.weight_path import lay_path

Array = npt.NDArray[np.float64]


def chart(base: Array, first: Array, second: Array) -> WeightMap:
    versions = MapVersion("a", "1"), MapVersion("b", "2")
    norms = tuple(float(np.linalg.norm(one - base)) for one in (first, second))
    apart = float(np.linalg.norm(second - first))
    return WeightMap(
        path="m",
        base=MapVersion("base", "0"),
        merge_base=True,
        versions=versions,
        norms=norms,
        distances=((0.0, apart), (apart, 0.0)),
        cosines=((1.0, 0.5), (0.5, 1.0)),
        merges=(),
        points=(),
        shown=None,
        parameters=1,
        elements=base.size,
        same=0,
        measured=(),
    )


@pytest.mark.parametrize("count", [2, 3, 11])
def test_distances_are_those_of_the_mixes(count: int) -> None:
    base, first, second = np.random.default_rng(count).standard_normal((3, 50))
    found = lay_path(chart(base, first, second), count)
    assert [point.t for point in found.points] == pytest.approx(np.linspace(0, 1, count).tolist())
    for t, *distances in found.points:
        mix = (1 - t) * first + t * second
        expected = [np.linalg.norm(mix - one) for one in (first, second, base)]
        assert distances == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_base_on_the_line_is_met() -> None:
    """Where rounding would take the root of less than nothing."""
    base = np.full(7, 0.1)
    found = lay_path(chart(base, base - 0.3, base + 0.3), 3)
    assert found.points[1].from_base == pytest.approx(0, abs=1e-7)


def test_two_versions_that_are_the_same_are_one_point() -> None:
    base, first, _ = np.random.default_rng(1).standard_normal((3, 5))
    found = lay_path(chart(base, first, first), 2)
    assert found.distance == 0
    assert found.points[0][1:] == found.points[1][1:]
