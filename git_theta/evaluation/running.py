"""One run of an evaluator, on one checkpoint: what it says is looked at, item by item."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import EVALUATORS, Evaluator, EvaluatorSetup, ItemScore, MetricValue
from git_theta.evaluation.paired_tests import weighted_mean

MOST_ITEMS = 1 << 22
"""Items of a run: above, its output is taken to be without end."""
_MOST_METRICS = 1 << 10


class CheckpointScores(NamedTuple):
    """What a run said.

    Attributes:
        items: the score of each, in the order in which they came.
        metrics: figures of the whole run, by name.
        seconds: what it took.
    """

    items: tuple[ItemScore, ...]
    metrics: dict[str, float]
    seconds: float = 0

    @property
    def mean(self) -> float | None:
        """The weighted mean over all items; None where there is none."""
        return weigh_mean(self.items)

    @property
    def ties(self) -> int:
        """Items whose two continuations were as likely."""
        return sum(item.is_tie for item in self.items)


def open_evaluator(kind: str, setup: EvaluatorSetup) -> Evaluator:
    """An evaluator of the family, to be closed. Raises PluginError where there is none of that name."""
    made = EVALUATORS.load_plugin(kind)
    with EVALUATORS.guard(kind):
        return made(setup)


def evaluate_checkpoint(
    evaluator: Evaluator,
    checkpoint: Path,
    items: Sequence[str] | None = None,
    *,
    buckets: Collection[str] = (),
    passes_over_others: bool = False,
) -> CheckpointScores:
    """Run an evaluator on a checkpoint.

    Args:
        evaluator: of ``open_evaluator``.
        checkpoint: its file, or the folder of its shards.
        items: the ids that are to be scored; None for all that the evaluator has.
        buckets: the only names that buckets may have; none for any.
        passes_over_others: whether items that nobody asked for are passed over, as they come of an evaluator that
            always scores all it has.

    Raises EvaluationError where it fails, says nothing, or says what cannot be: an id twice, a score that is not
    finite, an item that nobody asked for; PluginError where the evaluator of a package breaks.
    """
    begun = time.monotonic()
    label, limit = evaluator.setup.label, evaluator.setup.limit
    found: dict[str, ItemScore] = {}
    metrics: dict[str, float] = {}
    wanted = None if items is None else frozenset(items)
    with EVALUATORS.guard(evaluator.name):
        stream: Any = evaluator.run(checkpoint.absolute(), items)
    with closing(stream) if hasattr(stream, "close") else nullcontext():
        for said in EVALUATORS.guard_iterator(evaluator.name, stream):
            if isinstance(said, MetricValue):
                _require_none(_find_metric_fault(said, metrics), label)
                metrics[said.name] = said.value
                continue
            if not isinstance(said, ItemScore):
                raise EVALUATORS.reject_answer(evaluator.name, f"gave {said!r}, and no score")
            if passes_over_others and wanted is not None and said.id not in wanted:
                continue
            _require_none(_find_fault(said, found, wanted, buckets), label)
            found[said.id] = said
            if limit and len(found) >= limit:
                break
    if not found and not metrics:
        raise EvaluationError(f"the evaluator {label} said nothing", hint="It must print a line per item, or a metric.")
    return CheckpointScores(tuple(found.values()), metrics, time.monotonic() - begun)


def weigh_mean(items: Sequence[ItemScore]) -> float | None:
    """The weighted mean of scores; None of none."""
    return weighted_mean([item.score for item in items], [item.weight for item in items]) if items else None


def _find_fault(
    item: ItemScore, found: Collection[str], wanted: Collection[str] | None, buckets: Collection[str]
) -> str:
    """What is wrong with an item: ends the sentence "the evaluator ..."; "" where nothing is."""
    if item.id in found:
        return f"scored {item.id!r} twice"
    if wanted is not None and item.id not in wanted:
        return f"scored {item.id!r}, which was not asked for"
    if not math.isfinite(item.score):
        return f"gave {item.id!r} the score {item.score}"
    if not (item.weight > 0 and math.isfinite(item.weight)):
        return f"gave {item.id!r} the weight {item.weight}"
    if len(found) >= MOST_ITEMS:
        return f"scored more than {MOST_ITEMS:,} items: is there an end to them?"
    if strange := [name for name in item.buckets if buckets and name not in buckets]:
        return f"put {item.id!r} into the bucket {strange[0]!r}, which its definition does not name"
    return ""


def _find_metric_fault(said: MetricValue, metrics: Collection[str]) -> str:
    if not math.isfinite(said.value):
        return f"said that {said.name!r} is {said.value}"
    if said.name in metrics:
        return f"said {said.name!r} twice"
    return f"has more than {_MOST_METRICS:,} metrics" if len(metrics) >= _MOST_METRICS else ""


def _require_none(fault: str, label: str) -> None:
    if fault:
        raise EvaluationError(f"the evaluator {label} {fault}", hint="See docs/spec/eval.md for what it may say.")
