"""What is tried, and in which order: gone through with functions of which the best is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from git_theta.evaluation.searching.halving import list_steps, score_batch
from git_theta.evaluation.searching.held_items import split_items
from git_theta.evaluation.searching.line_search import refine_values, spread_values
from git_theta.evaluation.searching.merge_candidate import MergeCandidate, candidate_json, parse_candidate
from git_theta.evaluation.searching.sampling import Sampler, sample_candidates, sample_soups
from git_theta.evaluation.searching.search_space import SearchedOption, StrategySpace
from git_theta.evaluation.searching.weight_evolution import evolve_weights

LAMBDA = SearchedOption("lambda", 1.0, 0.1, 4.0, "log")
DENSITY = SearchedOption("density", 0.5, 0.0, 1.0)


def go_through(
    sampler: Sampler, gain: Callable[[MergeCandidate], float | None], most: int = 200
) -> list[MergeCandidate]:
    """Everything that a sampler tries, each told how good it is."""
    tried: list[MergeCandidate] = []
    batch = next(sampler, None)
    while batch is not None and len(tried) < most:
        tried += batch.candidates
        try:
            batch = sampler.send([gain(one) for one in batch.candidates])
        except StopIteration:
            break
    return tried


def test_defaults_come_first_and_then_the_options_of_the_best_three() -> None:
    spaces = [StrategySpace(name, (LAMBDA,)) for name in "abcd"]
    worth = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.2}
    tried = go_through(sample_candidates(spaces, None), lambda one: worth[one.strategy] - abs(_lambda(one) - 1) / 100)
    assert tried[:4] == [MergeCandidate(name) for name in "abcd"]
    assert {one.strategy for one in tried[4:]} == {"b", "c", "d"}
    assert len(set(tried)) == len(tried)


def _lambda(one: MergeCandidate) -> float:
    return dict(one.options).get("lambda", 1.0)


@pytest.mark.parametrize("best", [0.1, 0.25, 0.8, 3.0])
def test_a_line_comes_near_to_the_best_wherever_it_is(best: float) -> None:
    def gain(one: MergeCandidate) -> float:
        return -abs(math.log(_lambda(one) / best))

    tried = go_through(sample_candidates([StrategySpace("a", (LAMBDA,))], None), gain)
    assert len(tried) <= 10
    assert max(map(gain, tried)) > -0.25


def test_several_options_are_searched_one_after_the_other() -> None:
    def gain(one: MergeCandidate) -> float:
        options = {"lambda": 1.0, "density": 0.5, **dict(one.options)}
        return -abs(math.log(options["lambda"] / 0.6)) - abs(options["density"] - 0.75)

    tried = go_through(sample_candidates([StrategySpace("a", (LAMBDA, DENSITY))], None), gain)
    assert {name for name, _ in max(tried, key=gain).options} == {"lambda", "density"}
    assert max(map(gain, tried)) > -0.3


def test_what_fails_leads_nowhere_and_ends_nothing() -> None:
    spaces = [StrategySpace("good", (LAMBDA,)), StrategySpace("bad", (LAMBDA,), True)]
    tried = go_through(
        sample_candidates(spaces, lambda: evolve_weights(2, 0)), lambda one: None if one.strategy == "bad" else 1.0
    )
    assert [one for one in tried if one.strategy == "bad"] == [MergeCandidate("bad")]
    assert go_through(sample_candidates(spaces, None), lambda _: None) == [
        MergeCandidate("good"),
        MergeCandidate("bad"),
    ]


def _near_weights(one: MergeCandidate) -> float:
    weights = one.weights or (1.0, 1.0, 1.0)
    return -sum((weight - wanted) ** 2 for weight, wanted in zip(weights, (0.2, 1.4, 0.7), strict=True))


def test_weights_come_last_and_come_near_and_the_same_seed_draws_the_same() -> None:
    pytest.importorskip("cma")
    spaces = [StrategySpace("a", (), True)]
    runs = [go_through(sample_candidates(spaces, lambda: evolve_weights(3, 7)), _near_weights, 120) for _ in range(2)]
    assert runs[0] == runs[1]
    assert max(map(_near_weights, runs[0])) > -0.02
    assert all(min(one.weights) >= 0 for one in runs[0] if one.weights)
    other = go_through(sample_candidates(spaces, lambda: evolve_weights(3, 8)), _near_weights, 20)
    assert other != runs[0][: len(other)]


def test_weights_of_scores_that_are_all_alike_end_by_themselves() -> None:
    pytest.importorskip("cma")
    tried = go_through(
        sample_candidates([StrategySpace("a", (), True)], lambda: evolve_weights(2, 0)), lambda _: 1.0, 9999
    )
    assert len(tried) < 2000


def test_a_soup_takes_heads_from_the_best_on_and_keeps_those_that_help() -> None:
    alone = {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.6}
    helps = {(0, 1, 1, 0): 0.95, (0, 1, 1, 1): 0.94, (1, 1, 1, 0): 0.99}

    def gain(one: MergeCandidate) -> float:
        if one.head is not None:
            return alone[one.head]
        assert one.weights
        return helps[tuple([int(weight) for weight in one.weights])]  # type: ignore[index]

    tried = go_through(sample_soups(4), gain)
    assert [one.head for one in tried[:4]] == [0, 1, 2, 3]
    assert [one.weights for one in tried[4:]] == [(0, 1, 1, 0), (0, 1, 1, 1), (1, 1, 1, 0)]


def test_halving_keeps_the_better_half_and_never_fewer_than_asked_for() -> None:
    asked: list[tuple[str, int]] = []

    def score(one: MergeCandidate, count: int) -> float | None:
        asked.append((one.strategy, count))
        return None if one.strategy == "x" else float(ord(one.strategy))

    candidates = [MergeCandidate(name) for name in "abxcdefgh"]
    found = score_batch(candidates, 2, [10, 20, 40], score, MergeCandidate.describe)
    assert [one for one, count in asked if count == 20] == ["e", "f", "g", "h"]
    assert [one for one, count in asked if count == 40] == ["g", "h"]
    assert found == [None] * 7 + [103.0, 104.0]
    asked.clear()
    score_batch(candidates[:2], 3, [10, 20, 40], score, MergeCandidate.describe)
    assert asked == [("a", 40), ("b", 40)]


def test_candidates_that_come_to_the_same_take_one_place_in_halving() -> None:
    """Capitals are the same as small letters: h, H and the like are better than all others."""
    asked: list[tuple[str, int]] = []

    def score(one: MergeCandidate, count: int) -> float:
        asked.append((one.strategy, count))
        return float(ord(one.strategy.lower()))

    candidates = [MergeCandidate(name) for name in "abcdefghHG"]
    found = score_batch(candidates, 2, [10, 20, 40], score, lambda one: one.strategy.lower())
    assert [one for one, count in asked if count == 20] == ["e", "f", "g", "h"]
    assert [one for one, count in asked if count == 40] == ["g", "h"]
    assert found == [None] * 6 + [103.0, 104.0, 104.0, 103.0]


@pytest.mark.parametrize(
    ("total", "first", "steps"),
    [(40, 0, [40]), (1000, 0, [125, 250, 500, 1000]), (100, 30, [30, 60, 100]), (5, 9, [5]), (1, 0, [1])],
)
def test_steps_double_up_to_all_items(total: int, first: int, steps: Sequence[int]) -> None:
    assert list_steps(total, first) == steps


def test_items_are_split_by_their_names_alone() -> None:
    names = [f"q{number}" for number in range(101)]
    split = split_items(names, 0.3, 5)
    assert split == split_items(reversed(names), 0.3, 5)
    assert split != split_items(names, 0.3, 6)
    assert (len(split.held_out), len(split.searched)) == (30, 71)
    assert sorted(split.held_out + split.searched) == sorted(names)
    assert split_items(["one"], 0.9, 0) == (("one",), ())


def test_lines_are_even_on_their_scale_and_refined_beside_the_best() -> None:
    assert spread_values(LAMBDA, 1.0) == [0.1, 0.2515, 1.591, 4.0]
    assert spread_values(DENSITY, 0.5) == [0.0, 0.25, 0.75, 1.0]
    assert refine_values(DENSITY, {0.0: 1, 0.5: 3, 1.0: 2}) == [0.25, 0.75]
    assert refine_values(DENSITY, {0.0: 1, 1.0: 2}) == [0.5]
    assert refine_values(DENSITY, {0.5: 3}) == []


@pytest.mark.parametrize(
    "candidate",
    [
        MergeCandidate("ties", (("density", 0.05), ("lambda", 1.591)), (0.5, 1.0)),
        MergeCandidate("average"),
        MergeCandidate("", head=2),
    ],
)
def test_a_candidate_is_read_as_it_was_written(candidate: MergeCandidate) -> None:
    assert parse_candidate(candidate_json(candidate)) == candidate


def test_a_candidate_is_a_command() -> None:
    candidate = MergeCandidate("ties", weights=(0.5, 1.0)).set_option("lambda", 0.7).set_option("density", 0.1)
    assert candidate.list_arguments() == [
        "-s", "ties", "-o", "density=0.1", "-o", "lambda=0.7", "--weights", "0.5,1"
    ]  # fmt: skip
    assert candidate.describe() == "ties density=0.1 lambda=0.7 weights=0.5,1"
    assert MergeCandidate("", head=1).describe() == "head 2 alone"
