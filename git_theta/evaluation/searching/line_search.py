"""One option, searched along a line: evenly first, then between the best value and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from git_theta.evaluation.searching.merge_candidate import round_number
from git_theta.evaluation.searching.search_space import SearchedOption

EVEN_POINTS = 5
"""From one end to the other, both among them."""
REFINEMENTS = 2
"""Times that the neighbours of the best are halved."""
_NEAR = 0.5 / (EVEN_POINTS - 1)
"""Of the whole way: a point that is no farther from one that is known tells little."""


def spread_values(option: SearchedOption, known: float) -> list[float]:
    """Values from end to end, but for those near to the one that is known."""
    places = (at / (EVEN_POINTS - 1) for at in range(EVEN_POINTS))
    there = option.place_of(known)
    return [round_number(option.value_at(place)) for place in places if abs(place - there) >= _NEAR]


def refine_values(option: SearchedOption, gains: Mapping[float, float]) -> list[float]:
    """The values half way from the best to its neighbours, on the scale of the option.

    ``gains``: what is known: a value, and how good it is. The first of equals is the best.
    """
    ordered = sorted(gains)
    at = ordered.index(max(gains, key=gains.__getitem__))
    neighbours = [ordered[other] for other in (at - 1, at + 1) if 0 <= other < len(ordered)]
    places = [(option.place_of(ordered[at]) + option.place_of(other)) / 2 for other in neighbours]
    return [value for place in places if (value := round_number(option.value_at(place))) not in gains]
