"""How a search is done, and what it found."""

from __future__ import annotations

from typing import NamedTuple

from git_theta.evaluation.comparison import BucketRow
from git_theta.evaluation.definitions import Direction
from git_theta.evaluation.searching.merge_candidate import MergeCandidate


class SearchSettings(NamedTuple):
    """How a search is done.

    Attributes:
        direction: "up" where a higher score is better, "down" where a lower one is.
        budget: evaluations of all items that are searched; those of fewer count for their share.
        seed: of all that is drawn.
        items_per_step: items of the first step of each halving; 0 to choose.
        holdout: the share of items that the search never sees.
    """

    direction: Direction = "up"
    budget: int = 50
    seed: int = 0
    items_per_step: int = 0
    holdout: float = 0.5


class ScoredCandidate(NamedTuple):
    """A candidate, its mean over the items that it was scored on, and how many these are."""

    candidate: MergeCandidate
    score: float
    n: int


class SearchOutcome(NamedTuple):
    """What a search found.

    Attributes:
        start: what was evaluated first; of a soup, the best head alone.
        best: on all items that are searched.
        gain: of the best over the start, on the items that are held out; None where there are none, where both are
            one, and where that could not be evaluated.
        tried: all that was scored, in the order of trying; those that fell behind have fewer items.
        failures: candidates that could not be built, or evaluated, and why.
        items: how many were searched, and held out.
        runs: of the evaluator.
        spent: evaluations, as the budget counts them.
        seconds: of all of them.
        cut_short: whether the budget ended it.
    """

    start: ScoredCandidate
    best: ScoredCandidate
    gain: BucketRow | None
    tried: tuple[ScoredCandidate, ...]
    failures: tuple[tuple[MergeCandidate, str], ...]
    items: tuple[int, int]
    runs: int
    spent: float
    seconds: float
    cut_short: bool
