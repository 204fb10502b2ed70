"""What is tried, in the order in which it pays: defaults of strategies, then one option at a time, then weights.

In the prototype, with eight vision heads, the choice of the strategy was worth 2.7 points, weights of heads .15 to .6.

A sampler is a generator: it gives batches, and is sent how good each of a batch is. It draws from its seed alone, so
that a search which is told the same goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.evaluation.searching.line_search import REFINEMENTS, refine_values, spread_values
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.search_space import SearchedOption, StrategySpace

LEADERS = 3
"""Candidates whose options are searched."""

Gains = dict[MergeCandidate, float]


class CandidateBatch(NamedTuple):
    """What is tried next: these, and how many of them are scored on all items, whatever falls behind on few.

    A strategy whose default is wrong may be the best once it is tuned: so never one alone.
    """

    candidates: Sequence[MergeCandidate]
    least: int = LEADERS


Sampler = Generator[CandidateBatch, Sequence[float | None], None]
"""Gives batches; is sent, for each candidate, how good it is on all items, or None where that is not known."""
WeightSampler = Generator[Sequence[tuple[float, ...]], Sequence[float | None], None]
"""The same for weights."""
_Step = Generator[CandidateBatch, Sequence[float | None], None]


def list_defaults(spaces: Sequence[StrategySpace]) -> list[MergeCandidate]:
    """Every strategy as it is without options."""
    return [MergeCandidate(space.strategy) for space in spaces]


def sample_candidates(spaces: Sequence[StrategySpace], evolve: Callable[[], WeightSampler] | None) -> Sampler:
    """What a search tries.

    Args:
        spaces: the strategies, in the order in which they are tried.
        evolve: begins a search over the weights of heads; None for none.
    """
    gains: Gains = {}
    by_name = {space.strategy: space for space in spaces}
    yield from _try(gains, CandidateBatch(list_defaults(spaces)))
    leaders = [one for one in _rank(gains) if by_name[one.strategy].options][:LEADERS]
    for number in range(max([len(by_name[one.strategy].options) for one in leaders], default=0)):
        lines = [(one, options[number]) for one in leaders if number < len(options := by_name[one.strategy].options)]
        yield from _search_lines(gains, lines)
        leaders = [_find_best(gains, one.strategy) for one in leaders]
    weighable = [one for one in _rank(gains) if by_name[one.strategy].takes_weights]
    if evolve and weighable:
        yield from _search_weights(gains, weighable[0], evolve())


def sample_soups(heads: int) -> Sampler:
    """The greedy soup (Wortsman et al., arXiv 2203.05482): heads from the best to the worst, each kept if it helps."""
    gains: Gains = {}
    alone = [MergeCandidate("", head=number) for number in range(heads)]
    yield from _try(gains, CandidateBatch(alone, least=heads))
    best, *others = _rank(gains) or alone[:1]
    soup = {best.head}
    for next_head in others:
        members = soup | {next_head.head}
        mixed = MergeCandidate("weighted", weights=tuple([float(number in members) for number in range(heads)]))
        yield from _try(gains, CandidateBatch([mixed]))
        if mixed in gains and gains[mixed] > gains[best]:
            best, soup = mixed, members


def _search_lines(gains: Gains, lines: Sequence[tuple[MergeCandidate, SearchedOption]]) -> _Step:
    """Search one option of each of some candidates, all of them in step, so that they are halved together."""
    first = [
        one.set_option(option.name, value)
        for one, option in lines
        for value in spread_values(option, _read_option(one, option))
    ]
    yield from _try(gains, CandidateBatch(first))
    for _ in range(REFINEMENTS):
        found = [
            one.set_option(option.name, value)
            for one, option in lines
            for value in refine_values(option, dict(_list_line(gains, one, option)))
        ]
        yield from _try(gains, CandidateBatch(found))


def _list_line(gains: Gains, one: MergeCandidate, option: SearchedOption) -> Iterator[tuple[float, float]]:
    """The values of an option that are known of a candidate, and how good each is."""
    for other, gain in gains.items():
        value = _read_option(other, option)
        if other == one or other == one.set_option(option.name, value):
            yield value, gain


def _read_option(candidate: MergeCandidate, option: SearchedOption) -> float:
    return dict(candidate.options).get(option.name, option.default)


def _search_weights(gains: Gains, start: MergeCandidate, sampler: WeightSampler) -> _Step:
    """Weights of heads beside what is best without them."""
    batch = next(sampler, None)
    while batch is not None:
        candidates = [start._replace(weights=weights) for weights in batch]
        yield from _try(gains, CandidateBatch(candidates, least=len(candidates)))
        try:
            batch = sampler.send([gains.get(one) for one in candidates])
        except StopIteration:
            return


def _try(gains: Gains, batch: CandidateBatch) -> _Step:
    """Try what is not known yet, and keep what is said of it."""
    new = list(dict.fromkeys(one for one in batch.candidates if one not in gains))
    if new:
        found = yield batch._replace(candidates=new)
        gains |= {one: gain for one, gain in zip(new, found, strict=True) if gain is not None}


def _rank(gains: Mapping[MergeCandidate, float]) -> list[MergeCandidate]:
    """From the best to the worst; of equals the first ones first."""
    return sorted(gains, key=lambda one: -gains[one])


def _find_best(gains: Gains, strategy: str) -> MergeCandidate:
    return next(one for one in _rank(gains) if one.strategy == strategy)
