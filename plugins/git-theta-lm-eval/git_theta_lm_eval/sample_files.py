"""What lm-evaluation-harness logs with ``--log_samples``: a file for each task, a line for each question.

Source: ``save_results_samples`` in ``lm_eval/loggers/evaluation_tracker.py`` of the harness, release 0.4. Files are
called ``samples_TASK_TIME.jsonl``. A line has ``doc_id``, the question's number in its split, and the values of its
metrics under their names; newer ones also ``metrics``, a list of these names, and ``filter``: how the answer was cut
out, a line for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore

_FILE = re.compile(r"samples_(?P<task>.+)_\d{4}-\d{2}-\d{2}T[\d.\-]+\.jsonl")
_PREFERRED = ("acc_norm", "acc", "exact_match")
"""Metrics of a question that count, in this order; else the first that is a number."""


def read_samples(folder: Path, metric: str) -> Iterator[ItemScore]:
    """The score of each question, ``TASK/NUMBER``, in the bucket of its task.

    Args:
        folder: what the harness was told as its ``--output_path``.
        metric: which one counts; "" for the usual one of each task.

    Raises EvaluationError where nothing is logged, or a line is none of the harness's.
    """
    files = sorted(file for file in folder.rglob("*.jsonl") if _FILE.fullmatch(file.name))
    if not files:
        raise EvaluationError(
            "the harness has logged no question",
            hint='Its command needs: --log_samples --output_path "$THETA_LM_EVAL_OUTPUT"',
        )
    for file in files:
        found = _FILE.fullmatch(file.name)
        assert found
        yield from _read_task(file, found["task"], metric)


def _read_task(file: Path, task: str, metric: str) -> Iterator[ItemScore]:
    """The questions of a task; of several filters the first one that a question has."""
    seen: set[Any] = set()
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                sample = json.loads(line)
                question = sample["doc_id"]
                if question in seen:
                    continue
                seen.add(question)
                yield ItemScore(f"{task}/{question}", _read_score(sample, metric), (task,))
            except (ValueError, KeyError, TypeError) as error:
                raise EvaluationError(
                    f"line {number} of {file.name} cannot be read: {error}",
                    hint="It should be what lm_eval --log_samples writes.",
                ) from None


def _read_score(sample: dict[str, Any], metric: str) -> float:
    names = [metric] if metric else [*_PREFERRED, *sample.get("metrics", ())]
    value = next((sample[name] for name in names if isinstance(sample.get(name), (int, float))), None)
    if value is None:
        there = ", ".join(name for name in sample.get("metrics", ()) if isinstance(sample.get(name), (int, float)))
        raise ValueError(f"it has no {metric or 'metric of one question'}; it has {there or 'none that is a number'}")
    return float(value)
