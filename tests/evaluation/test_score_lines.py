"""What an evaluator's line says, and what is no line: docs/spec/eval.schema.json says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore, MetricValue
from git_theta.evaluation.score_lines import RUN_END, parse_score_line

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/eval.schema.json").read_text())

GOOD: dict[str, Any] = {
    '{"id": "a", "score": 0.25}': ItemScore("a", 0.25),
    '{"id": "a", "score": true, "text": "more"}': ItemScore("a", 1.0),
    '{"id": "a", "score": 1, "bucket": "b", "weight": 2}': ItemScore("a", 1.0, ("b",), 2.0),
    '{"id": "a", "score": 1, "bucket": ["b", "c", "b"]}': ItemScore("a", 1.0, ("b", "c")),
    '{"id": "a", "score": [-1.5, -2]}': ItemScore("a", 1.0, paired=True),
    '{"id": "a", "score": [-2, -1.5]}': ItemScore("a", 0.0, paired=True),
    '{"id": "a", "score": [-2, -2.0]}': ItemScore("a", 0.5, paired=True),
    '{"metric": "ppl", "value": 12.5}': MetricValue("ppl", 12.5),
    '{"done": true}': RUN_END,
}
BAD = {
    "hello": "is not JSON",
    "[1]": "is no JSON object",
    '{"score": 1}': "neither an id",
    '{"id": 7, "score": 1}': "neither an id",
    '{"id": "", "score": 1}': "neither an id",
    '{"id": "a"}': "a score that is no number",
    '{"id": "a", "score": "1"}': "a score that is no number",
    '{"id": "a", "score": [1]}': "1 numbers for a score",
    '{"id": "a", "score": [1, null]}': "a score that is no number",
    '{"id": "a", "score": NaN}': "is not JSON",
    '{"id": "a", "score": -Infinity}': "is not JSON",
    '{"id": "a", "score": 1e999}': "a score that is not finite",
    '{"id": "a", "score": 1, "weight": 0}': "the weight 0",
    '{"id": "a", "score": 1, "weight": -1}': "the weight -1",
    '{"id": "a", "score": 1, "bucket": 3}': "a bucket that is neither",
    '{"id": "a", "score": 1, "bucket": [""]}': "a bucket that is neither",
    '{"metric": "", "value": 1}': "a metric without a name",
    '{"metric": "ppl", "value": "1"}': "a value that is no number",
    "[" * 100_000: "is not JSON",
}


@pytest.mark.parametrize("line", GOOD)
def test_what_a_line_says(line: str) -> None:
    assert parse_score_line(line.encode(), "mine") == GOOD[line]
    jsonschema.validate(json.loads(line), SCHEMA)


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40])
def test_what_is_no_line_is_told_with_the_reason(line: str) -> None:
    with pytest.raises(EvaluationError, match=BAD[line]) as caught:
        parse_score_line(line.encode(), "mine")
    assert caught.value.message.startswith("the evaluator mine printed a line that ")
    assert "docs/spec/eval.md" in caught.value.hint
    assert len(caught.value.message) < 400


# The others are no JSON, or a number that no reader of ours can hold.
@pytest.mark.parametrize("line", [line for line in BAD if line[0] == "{" and not re.search("NaN|Inf|1e999", line)])
def test_the_schema_refuses_it_too(line: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(line), SCHEMA)


def test_a_number_above_all_is_not_finite() -> None:
    with pytest.raises(EvaluationError, match="not finite"):
        parse_score_line(b'{"id": "a", "score": 1' + b"0" * 400 + b"}", "mine")
