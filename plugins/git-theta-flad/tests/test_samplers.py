"""Both samplers against the paper's algorithms, written plainly from its equations."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from git_theta.errors import UsageError

from git_theta_flad import Exp3Sampler, Ucb1Sampler
from git_theta_flad.base import FladSampler

NAMES = ["squad", "boolq", "rte", "copa", "wic"]
WORTH = dict(zip(NAMES, (0.1, 0.6, -0.2, 0.3, 0.0), strict=True))
BATCHES = 4
"""Of a turn: the paper's G."""
FRACTION: Any = 0.5


def yield_rewards(seed: int) -> Iterator[Callable[[str], float]]:
    """For each turn, what a data set is worth in it."""
    for turn in range(10_000):
        yield lambda name, turn=turn: WORTH[name] + random.Random(f"{seed}{turn}{name}").uniform(-0.3, 0.3)  # type: ignore[misc]


def run_turns(sampler: FladSampler, turns: int, seed: int = 0) -> list[str]:
    """What it chooses, where it learns from these rewards."""
    chosen = []
    for reward_of, _ in zip(yield_rewards(seed), range(turns), strict=False):
        names = [sampler.choose() for _ in range(BATCHES)]
        sampler.learn({name: reward_of(name) for name in set(names)})
        chosen += names
    return chosen


def compute_exp3(turn: int, estimates: Mapping[str, float]) -> dict[str, float]:
    """Algorithm 1, lines 3 and 4."""
    count = len(estimates)
    now = min(1 / count, math.sqrt(math.log(count) / (count * turn)))
    before = min(1 / count, math.sqrt(math.log(count) / (count * (turn - 1)))) if turn > 1 else 1 / count
    total = sum(math.exp(before * one) for one in estimates.values())
    return {name: (1 - count * now) * math.exp(before * one) / total + now for name, one in estimates.items()}


def test_exp3_is_the_paper_s_algorithm() -> None:
    sampler = Exp3Sampler.begin(NAMES, seed=3)
    estimates = dict.fromkeys(NAMES, 1.0)  # as the paper has it
    for turn, reward_of in zip(range(1, 60), yield_rewards(1), strict=False):
        expected = compute_exp3(turn, estimates)
        assert sampler.rate_names() == pytest.approx(expected, rel=1e-12)
        names = {sampler.choose() for _ in range(BATCHES)}
        sampler.learn({name: reward_of(name) for name in names})
        for name in names:
            estimates[name] += reward_of(name) / expected[name]
    assert sampler.estimates == pytest.approx({name: one - 1 for name, one in estimates.items()}, rel=1e-10)


def test_exp3_draws_by_its_probabilities() -> None:
    sampler = Exp3Sampler.begin(NAMES, seed=5)
    run_turns(sampler, 30)
    expected, draws = sampler.rate_names(), 4000
    assert math.fsum(expected.values()) == pytest.approx(1, rel=1e-12)
    found = Counter(sampler.choose() for _ in range(draws))
    for name, chance in expected.items():
        assert abs(found[name] - draws * chance) < 5 * math.sqrt(draws * chance * (1 - chance))


def test_ucb1_is_the_paper_s_algorithm() -> None:
    sampler = Ucb1Sampler.begin(WORTH, smoothing=0.25)
    estimates, batches = dict(WORTH), dict.fromkeys(NAMES, 1)
    for _, reward_of in zip(range(60), yield_rewards(1), strict=False):
        expected = []
        for _ in range(BATCHES):
            played = sum(batches.values())
            bounds = [estimates[name] + math.sqrt(2 * math.log(played) / batches[name]) for name in NAMES]
            best = NAMES[bounds.index(max(bounds))]
            batches[best] += 1
            expected.append(best)
        assert [sampler.choose() for _ in range(BATCHES)] == expected
        sampler.learn({name: reward_of(name) for name in expected})
        for name in set(expected):
            estimates[name] = 0.75 * estimates[name] + 0.25 * reward_of(name)
    assert sampler.estimates == pytest.approx(estimates, rel=1e-12)
    assert sampler.batches == batches


@pytest.mark.parametrize("sampler", [Exp3Sampler.begin(NAMES), Ucb1Sampler.begin(WORTH)], ids=["exp3", "ucb1"])
def test_the_best_data_set_is_chosen_most_and_none_is_forgotten(sampler: FladSampler) -> None:
    counts = Counter(run_turns(sampler, 500))
    assert counts.most_common(1)[0][0] == "boolq"
    assert set(counts) == set(NAMES)


def test_a_seed_decides_all_and_another_one_chooses_otherwise() -> None:
    first, again, other = (run_turns(Exp3Sampler.begin(NAMES, seed=seed), 20) for seed in (1, 1, 2))
    assert first == again != other


def test_one_data_set_is_always_chosen() -> None:
    assert set(run_turns(Exp3Sampler.begin(["rte"]), 5) + run_turns(Ucb1Sampler.begin({"rte": 0.1}), 5)) == {"rte"}


def test_large_estimates_do_not_overflow() -> None:
    sampler = Exp3Sampler({"good": 1e9, "bad": -1e9}, turn=2)
    rates = sampler.rate_names()
    assert rates["bad"] == pytest.approx(1 - rates["good"])
    assert 0 < rates["bad"] < rates["good"] < 1


@pytest.mark.parametrize("sampler", [Exp3Sampler.begin(NAMES), Ucb1Sampler.begin(WORTH)], ids=["exp3", "ucb1"])
@pytest.mark.parametrize(
    ("rewards", "reason"),
    [
        ({}, "rewards are for none, and this turn has chosen '"),
        ({"mnli": 0.5}, "rewards are for 'mnli', and this turn has chosen '"),
        ({None: math.nan}, "the reward of '.*' is nan"),
        ({None: "0.5"}, "the reward of '.*' is '0.5'"),
    ],
)
def test_rewards_that_cannot_be_are_named_and_teach_nothing(sampler: FladSampler, rewards: Any, reason: str) -> None:
    name = sampler.choose()
    sampler.chosen = {name: 1}
    before = dict(sampler.estimates), sampler.turn
    with pytest.raises(UsageError, match=reason):
        sampler.learn({name if one is None else one: reward for one, reward in rewards.items()})
    assert (sampler.estimates, sampler.turn) == before


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (lambda: Exp3Sampler.begin([]), "no data sets to choose from"),
        (lambda: Exp3Sampler.begin(["rte", "rte"]), "named twice"),
        (lambda: Exp3Sampler.begin(["rte"], seed=FRACTION), "seed is 0.5"),
        (lambda: Ucb1Sampler.begin({}), "no data sets to choose from"),
        (lambda: Ucb1Sampler.begin({"rte": math.inf}), "the estimate of 'rte' is inf"),
        (lambda: Ucb1Sampler.begin(WORTH, smoothing=0), "smoothing is 0"),
        (lambda: Ucb1Sampler.begin(WORTH, smoothing=1.5), "smoothing is 1.5"),
    ],
)
def test_what_it_cannot_begin_with_is_named(begin: Callable[[], object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        begin()
