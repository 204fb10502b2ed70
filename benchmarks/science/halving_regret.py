"""How far from the best candidate a search ends that scores few items: halving, and equal shares of as many items.

Every candidate is scored on every item once. Then searches are drawn, each over other items, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import render_table
from git_theta.evaluation.searching.halving import list_steps, score_batch
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.sampling import LEADERS

Order = NDArray[np.int64]
"""Places of items, as a search meets them."""
_SEARCHED = (150, 300, 600, 1_200)
"""Items that a search has, all together."""
_DRAWS = 200


class Regret(NamedTuple):
    """What searches of one size come to.

    Attributes:
        items: that each candidate would be scored on without halving.
        scored: items scored by halving, of all candidates together; the mean of all draws.
        halving: points that what was found is behind the best, the mean of all draws.
        equal: the same of a search that scores every candidate on as many items, as many as halving all together.
    """

    items: int
    scored: float
    halving: float
    equal: float


def measure_regrets(right: NDArray[np.bool_], seed: int = 0) -> Iterator[Regret]:
    """What searches of each size come to; ``right`` is of shape (candidates, items)."""
    truth = 100 * right.mean(axis=1)
    for items in (count for count in _SEARCHED if count <= right.shape[1]):
        random = np.random.default_rng([seed, items])
        orders = [random.permutation(right.shape[1]) for _ in range(_DRAWS)]
        found = [_halve(right, order, items) for order in orders]
        scored = float(np.mean([spent for _, spent in found]))
        share = round(scored / len(right))
        equal = [int(right[:, order[:share]].mean(axis=1).argmax()) for order in orders]
        behind = [truth.max() - truth[[best for best, _ in found]].mean(), truth.max() - truth[equal].mean()]
        yield Regret(items, scored, *map(float, behind))


def _halve(right: NDArray[np.bool_], order: Order, items: int) -> tuple[int, int]:
    """The candidate that the search takes, and how many items it has scored."""
    candidates = [MergeCandidate(str(number)) for number in range(len(right))]
    scored = dict.fromkeys(candidates, 0)

    def score(candidate: MergeCandidate, count: int) -> float:
        scored[candidate] = max(scored[candidate], count)
        return float(right[int(candidate.strategy), order[:count]].mean())

    gains = score_batch(candidates, LEADERS, list_steps(items), score, attrgetter("strategy"))
    best = max((gain, -at) for at, gain in enumerate(gains) if gain is not None)
    return -best[1], sum(scored.values())


def render_regrets(regrets: Sequence[Regret], candidates: int) -> str:
    """A table."""
    head = [f"items, {candidates} candidates", "items scored by halving", "points lost by it", "by equal shares"]
    return render_table(
        head, [[f"{one.items:,}", f"{one.scored:,.0f}", f"{one.halving:.2f}", f"{one.equal:.2f}"] for one in regrets]
    )
