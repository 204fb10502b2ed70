"""How far mixes of two versions fall short of the line between the scores of these, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_theta.evaluation.comparison import ALPHA
from git_theta.evaluation.paired_tests import estimate_interval
from git_theta.evaluation.running import CheckpointScores


class Barrier(NamedTuple):
    """The barrier between two versions.

    Attributes:
        height: how far the worst mix is worse than the line between the scores of the ends; 0 where none is.
        interval: of the height, at 95 % for the worst of all mixes; None where no mix is worse, and where fewer than
            two items were scored of it and of both ends.
    """

    height: float
    interval: tuple[float, float] | None = None


def find_barrier(
    places: Sequence[float], means: Sequence[float], direction: str, read: Callable[[int], CheckpointScores]
) -> Barrier:
    """The barrier of a path.

    Args:
        places: of its points, from 0 to 1.
        means: their mean scores.
        direction: "up" or "down": which scores are better.
        read: the scores of the point of that number; asked for both ends and the worst mix.
    """
    sign, last = 1 if direction == "up" else -1, len(places) - 1
    heights = [sign * ((1 - t) * means[0] + t * means[-1] - mean) for t, mean in zip(places, means, strict=True)]
    worst = max(range(1, last), key=heights.__getitem__, default=0)
    if not worst or heights[worst] <= 0:
        return Barrier(0.0)
    t = places[worst]
    first, second, mix = ({item.id: item for item in read(number).items} for number in (0, last, worst))
    shared = sorted(first.keys() & second.keys() & mix.keys())
    short = [sign * ((1 - t) * first[name].score + t * second[name].score - mix[name].score) for name in shared]
    # The worst was chosen among all mixes: each of them gets its share of alpha (Bonferroni).
    interval = estimate_interval(short, [mix[name].weight for name in shared], ALPHA / (last - 1))
    return Barrier(heights[worst], interval)
