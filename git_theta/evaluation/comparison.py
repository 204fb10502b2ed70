"""Two versions by the same evaluator, on the items that both have: the whole, and bucket by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.paired_tests import (
    adjust_holm,
    estimate_interval,
    permutation_test,
    sign_test,
    weighted_mean,
)
from git_theta.evaluation.running import CheckpointScores

_COUNTED = frozenset({0.0, 0.5, 1.0})
"""Scores that say right, wrong or tied."""
ALPHA = 0.05


class ComparisonSettings(NamedTuple):
    """How two versions are compared.

    Attributes:
        direction: "up" where a higher score is better, "down" where a lower one is.
        alpha: below which an adjusted p says that a bucket changed.
        seed: of permutation tests.
    """

    direction: str = "up"
    alpha: float = ALPHA
    seed: int = 0


_USUAL = ComparisonSettings()


class BucketRow(NamedTuple):
    """A bucket, or all items, before and after.

    Attributes:
        bucket: its name; "" for all items.
        n: items that both versions have.
        before, after: weighted means over these; None where there is none.
        lost, won: items that are worse, and better.
        interval: of after less before, at the alpha of the comparison; None for less than two items.
        p: of the test; None where there is no item.
        adjusted: by Holm, over all buckets; that of all items is p itself.
        verdict: -1 worse, 1 better, 0 where chance explains it.
    """

    bucket: str
    n: int
    before: float | None
    after: float | None
    lost: int
    won: int
    interval: tuple[float, float] | None
    p: float | None
    adjusted: float | None = None
    verdict: int = 0

    @property
    def is_worse(self) -> bool:
        """Whether it is worse beyond chance."""
        return self.verdict < 0

    @property
    def change(self) -> float:
        """After less before; 0 where there is nothing to compare."""
        return self.after - self.before if self.after is not None and self.before is not None else 0.0


class ScoreComparison(NamedTuple):
    """Two versions, compared.

    Attributes:
        test: ``sign`` where all scores say right, wrong or tied, else ``permutation``.
        overall: all items.
        buckets: those that are worse beyond chance first, then the others by how far they fell.
        metrics: name -> (before, after), None where one has it not.
        only_before, only_after: items that the other version has not: counted, and in no figure.
        ties: items whose two continuations were as likely, before and after.
        settings: how it was done.
    """

    test: str
    overall: BucketRow
    buckets: tuple[BucketRow, ...]
    metrics: Mapping[str, tuple[float | None, float | None]]
    only_before: int
    only_after: int
    ties: tuple[int, int]
    settings: ComparisonSettings


_Pair = tuple[ItemScore, ItemScore]


def compare_scores(
    before: CheckpointScores, after: CheckpointScores, settings: ComparisonSettings = _USUAL
) -> ScoreComparison:
    """Compare what an evaluator said of two versions. Items are weighted, and put into buckets, as it said last."""
    earlier = {item.id: item for item in before.items}
    later = {item.id: item for item in after.items}
    pairs = [(earlier[name], later[name]) for name in sorted(earlier.keys() & later.keys())]
    counted = all(item.score in _COUNTED for pair in pairs for item in pair)
    groups: dict[str, list[_Pair]] = {}
    for pair in pairs:
        for bucket in pair[1].buckets:
            groups.setdefault(bucket, []).append(pair)
    rows = [_compare_pairs(bucket, groups[bucket], settings, counted=counted) for bucket in sorted(groups)]
    overall = _compare_pairs("", pairs, settings, counted=counted)
    judged = _judge_rows(rows, settings)
    metrics = {
        name: (before.metrics.get(name), after.metrics.get(name))
        for name in sorted(before.metrics.keys() | after.metrics.keys())
    }
    return ScoreComparison(
        "sign" if counted else "permutation",
        _judge_row(overall, overall.p, settings),
        tuple(sorted(judged, key=lambda row: (row.verdict, row.change * _sign_of(settings), row.bucket))),
        metrics,
        len(earlier.keys() - later.keys()),
        len(later.keys() - earlier.keys()),
        (before.ties, after.ties),
        settings,
    )


def _sign_of(settings: ComparisonSettings) -> int:
    return 1 if settings.direction == "up" else -1


def _compare_pairs(bucket: str, pairs: Sequence[_Pair], settings: ComparisonSettings, *, counted: bool) -> BucketRow:
    if not pairs:
        return BucketRow(bucket, 0, None, None, 0, 0, None, None)
    weights = [after.weight for _, after in pairs]
    differences = [after.score - before.score for before, after in pairs]
    gains = [difference * _sign_of(settings) for difference in differences]
    lost, won = sum(gain < 0 for gain in gains), sum(gain > 0 for gain in gains)
    weighted = [weight * difference for weight, difference in zip(weights, differences, strict=True)]
    p = sign_test(lost, won) if counted else permutation_test(weighted, settings.seed, bucket)
    before, after = (weighted_mean([pair[side].score for pair in pairs], weights) for side in (0, 1))
    interval = estimate_interval(differences, weights, settings.alpha)
    leaning = won - lost if counted else (after - before) * _sign_of(settings)
    verdict = (leaning > 0) - (leaning < 0)
    return BucketRow(bucket, len(pairs), before, after, lost, won, interval, p, verdict=verdict)


def _judge_rows(rows: Sequence[BucketRow], settings: ComparisonSettings) -> list[BucketRow]:
    adjusted = adjust_holm([row.p if row.p is not None else 1.0 for row in rows])
    return [_judge_row(row, value, settings) for row, value in zip(rows, adjusted, strict=True)]


def _judge_row(row: BucketRow, adjusted: float | None, settings: ComparisonSettings) -> BucketRow:
    """A row with what its p comes to: it keeps the way it leans where chance does not explain that."""
    is_told = adjusted is not None and adjusted < settings.alpha
    return row._replace(adjusted=adjusted, verdict=row.verdict if is_told else 0)
