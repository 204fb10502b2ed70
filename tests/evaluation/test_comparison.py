"""Two versions, item by item: what is paired, what is told, and what leads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from git_theta.errors import UsageError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.comparison import ComparisonSettings, compare_scores
from git_theta.evaluation.gates import judge_gates, parse_gate
from git_theta.evaluation.running import CheckpointScores


def scores(*items: ItemScore, **metrics: float) -> CheckpointScores:
    return CheckpointScores(items, metrics)


def two_versions(buckets: Mapping[str, tuple[int, int, int]]) -> tuple[CheckpointScores, CheckpointScores]:
    """Per bucket, how many items were lost, won, and stayed right."""
    before: list[ItemScore] = []
    after: list[ItemScore] = []
    for bucket, (lost, won, same) in buckets.items():
        outcomes = [(1.0, 0.0)] * lost + [(0.0, 1.0)] * won + [(1.0, 1.0)] * same
        for number, (earlier, later) in enumerate(outcomes):
            before.append(ItemScore(f"{bucket}/{number}", earlier, (bucket,)))
            after.append(ItemScore(f"{bucket}/{number}", later, (bucket,)))
    return scores(*before), scores(*after[::-1])


def test_what_fell_beyond_chance_leads_and_what_rose_comes_last() -> None:
    found = compare_scores(
        *two_versions({"rose": (0, 20, 5), "same": (3, 2, 20), "fell": (30, 1, 5), "slipped": (3, 0, 9)})
    )
    assert [(row.bucket, row.verdict) for row in found.buckets] == [
        ("fell", -1),
        ("slipped", 0),
        ("same", 0),
        ("rose", 1),
    ]
    fell = found.buckets[0]
    assert (fell.n, fell.lost, fell.won, fell.before, fell.after) == (36, 30, 1, 35 / 36, 6 / 36)
    # 31 items that changed, 1 of them won: 2 (1 + 31) / 2^31; and four buckets.
    assert fell.p == pytest.approx(2 * 32 / 2**31)
    assert fell.adjusted == pytest.approx(4 * 2 * 32 / 2**31)
    assert (found.test, found.overall.n, found.overall.lost, found.overall.won) == ("sign", 36 + 12 + 25 + 25, 36, 23)


def test_holm_takes_away_what_one_bucket_alone_would_have() -> None:
    alone = compare_scores(*two_versions({"fell": (6, 0, 10)}))
    among = compare_scores(*two_versions({"fell": (6, 0, 10), **{f"same-{n}": (0, 0, 10) for n in range(4)}}))
    assert alone.buckets[0].verdict == -1  # p is 2 / 64
    assert [row.verdict for row in among.buckets] == [0] * 5
    assert among.buckets[0].adjusted == pytest.approx(5 * 2 / 64)


def test_a_loss_falls_where_it_rises() -> None:
    before = scores(*(ItemScore(str(n), 2.0 + n / 100) for n in range(40)))
    after = scores(*(ItemScore(str(n), 1.5 + n / 100) for n in range(40)))
    assert compare_scores(before, after, ComparisonSettings("down")).overall.verdict == 1
    up = compare_scores(before, after, ComparisonSettings("up"))
    assert (up.test, up.overall.verdict, up.overall.lost) == ("permutation", -1, 40)


def test_what_stands_on_one_side_is_counted_and_in_no_figure() -> None:
    before = scores(ItemScore("a", 1), ItemScore("b", 0), ItemScore("only before", 0))
    after = scores(ItemScore("b", 1), ItemScore("a", 1), ItemScore("new", 0), ItemScore("newer", 0))
    found = compare_scores(before, after)
    assert (found.only_before, found.only_after, found.overall.n) == (1, 2, 2)
    assert (found.overall.before, found.overall.after) == (0.5, 1)


def test_nothing_in_common_is_no_comparison() -> None:
    found = compare_scores(scores(ItemScore("a", 1)), scores(ItemScore("b", 1)))
    assert (found.overall.n, found.overall.before, found.overall.p, found.buckets) == (0, None, None, ())
    assert [one.passed for one in judge_gates([parse_gate("mean >= before")], found)] == [False]


def test_scores_all_alike_and_a_bucket_of_one_item() -> None:
    same = scores(*(ItemScore(str(n), 0.25, ("one",) if n == 0 else ()) for n in range(50)))
    found = compare_scores(same, same)
    assert (found.overall.p, found.overall.verdict, found.overall.interval) == (1, 0, (0, 0))
    assert [(row.n, row.p, row.interval) for row in found.buckets] == [(1, 1, None)]


def test_ties_are_told() -> None:
    before = scores(ItemScore("a", 0.5, paired=True), ItemScore("b", 0.0, paired=True))
    after = scores(ItemScore("a", 1.0, paired=True), ItemScore("b", 0.5, paired=True))
    found = compare_scores(before, after)
    assert (found.ties, found.test, found.overall.won) == ((1, 1), "sign", 2)


def test_weights_count_in_means() -> None:
    before = scores(ItemScore("a", 0, weight=3), ItemScore("b", 1))
    after = scores(ItemScore("a", 1, weight=3), ItemScore("b", 0))
    assert (compare_scores(before, after).overall.before, compare_scores(before, after).overall.after) == (0.25, 0.75)


GATES = {
    "mean >= before - 0.005": True,
    "mean >= before": False,
    "mean > before - 0.005": False,
    "mean>=0.995": True,
    "mean <= before + .1": True,
    "bucket:b >= before - 1e-2": True,
    "bucket:b < 0.9": False,
    "bucket:none >= 0": False,
    "metric:ppl <= before + 0.1": True,
    "metric:ppl < 7": False,
    "metric:bleu >= before": False,
    "no bucket  worse": True,
}


@pytest.mark.parametrize("text", GATES)
def test_a_gate_holds_or_not(text: str) -> None:
    """The mean fell from 1 to 0.995, and that is no number of binary fractions."""
    before = scores(*(ItemScore(str(n), 1, ("b",)) for n in range(200)), ppl=7.0)
    after = scores(*(ItemScore(str(n), int(n > 0), ("b",)) for n in range(200)), ppl=7.1)
    (verdict,) = judge_gates([parse_gate(text)], compare_scores(before, after))
    assert (verdict.passed, verdict.gate.text) == (GATES[text], " ".join(text.split()))
    assert verdict.reason


def test_no_bucket_worse_names_those_that_are() -> None:
    found = compare_scores(*two_versions({"fell": (30, 1, 5), "rose": (0, 20, 5)}))
    (verdict,) = judge_gates([parse_gate("no bucket worse")], found)
    assert (verdict.passed, verdict.reason) == (False, "worse: fell")


@pytest.mark.parametrize(
    "text", ["", "mean", "mean = 1", "mean >= after", "mean >= before * 2", "bucket: >= 1", "x >= 1", "mean >= nan"]
)
def test_what_is_no_gate(text: str) -> None:
    with pytest.raises(UsageError, match="is no gate") as caught:
        parse_gate(text)
    assert "no bucket worse" in caught.value.hint
