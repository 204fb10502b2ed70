"""Where a map's page and picture have the same looks: how dark a cell is."""

from __future__ import annotations

import random

from git_theta.diffing.render.map_layout import SHADES, shade_of_distance


def test_no_distance_is_darker_than_the_largest() -> None:
    draw = random.Random(0)
    for _ in range(1000):
        largest = draw.random()
        assert shade_of_distance(largest, largest) == f"s{SHADES}"
        assert shade_of_distance(largest * draw.random(), largest) in {f"s{step}" for step in range(1, SHADES + 1)}
    assert shade_of_distance(0.0, 1.0) == "zero"
