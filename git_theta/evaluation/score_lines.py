"""The lines that an evaluator's command prints, as docs/spec/eval.md has them: a score per item, or a metric."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore, MetricValue
from git_theta.words import escape_unprintable, shorten_text

LONGEST_LINE = 1 << 20
"""Bytes of a line, its end included."""
_RULE = "Print one JSON object per line, and everything else to standard error: docs/spec/eval.md"


class RunEnd:
    """The line ``{"done": true}``, by which a server says that a checkpoint is through."""


RUN_END = RunEnd()


def parse_score_line(line: bytes, label: str) -> ItemScore | MetricValue | RunEnd:
    """What a line says; keys that mean nothing are passed over. Raises EvaluationError for what is no such line.

    Args:
        line: without its end.
        label: what the evaluation is called that printed it.
    """
    try:
        data = _DECODER.decode(line.decode())
    except (ValueError, RecursionError) as error:
        raise _explain_line(line, label, f"is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise _explain_line(line, label, "is no JSON object")
    try:
        if data.get("done") is True:
            return RUN_END
        return _parse_metric(data) if "metric" in data else _parse_item(data)
    except _BadLine as bad:
        raise _explain_line(line, label, str(bad)) from None


class _BadLine(Exception):
    """What is wrong with a line: ends the sentence "the line ..."."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Made once: ``json.loads`` would make one for every line."""


def _parse_metric(data: dict[str, Any]) -> MetricValue:
    name = data["metric"]
    if not isinstance(name, str) or not name:
        raise _BadLine("has a metric without a name")
    return MetricValue(name, _read_number(data, "value"))


def _parse_item(data: dict[str, Any]) -> ItemScore:
    name, score = data.get("id"), data.get("score")
    if not isinstance(name, str) or not name:
        raise _BadLine("has neither an id (a text) nor a metric")
    weight = _read_number(data, "weight") if "weight" in data else 1.0
    if weight <= 0:
        raise _BadLine(f"has the weight {weight}, which is not above 0")
    buckets = _read_buckets(data.get("bucket", []))
    if isinstance(score, list):
        return ItemScore(name, _count_pair(score), buckets, weight, paired=True)
    return ItemScore(name, _read_number(data, "score"), buckets, weight)


def _count_pair(pair: list[Any]) -> float:
    """As FIB counts: whether the consistent continuation is likelier; 0.5 for a tie."""
    if len(pair) != 2:
        raise _BadLine(f"has {len(pair)} numbers for a score: one, or two log-likelihoods")
    right, wrong = (_read_number({"score": value}, "score") for value in pair)
    return 0.5 if right == wrong else float(right > wrong)


def _read_number(data: dict[str, Any], key: str) -> float:
    value = data.get(key)
    if not isinstance(value, int | float):
        raise _BadLine(f"has a {key} that is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _BadLine(f"has a {key} that is not finite")
    return number


def _read_buckets(given: Any) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise _BadLine("has a bucket that is neither a name nor a list of names")
    return tuple(dict.fromkeys(names))


def _explain_line(line: bytes, label: str, problem: str) -> EvaluationError:
    shown = shorten_text(escape_unprintable(line.decode(errors="replace").rstrip()), 120)
    return EvaluationError(f"the evaluator {label} printed a line that {problem}: {shown}", hint=_RULE)
