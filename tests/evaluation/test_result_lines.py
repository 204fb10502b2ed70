"""A result as Git keeps it: what is written is read, small, and damage is told."""

from __future__ import annotations

import json
import random

import pytest

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.result_lines import (
    LARGEST_INLINE,
    EvaluationResult,
    decode_scores,
    encode_line,
    encode_scores,
    parse_line,
    read_scores,
    summarize_scores,
)
from git_theta.evaluation.running import CheckpointScores

ID = "a" * 40


def some_items(count: int, seed: int = 0) -> tuple[ItemScore, ...]:
    drawn = random.Random(seed)
    buckets = ["mnist", "digits", "fonts", "photos"]
    return tuple(
        ItemScore(f"{buckets[n % 4]}/{n:05}", float(drawn.random() < 0.7), (buckets[n % 4],)) for n in range(count)
    )


def summarize(items: tuple[ItemScore, ...]) -> tuple[EvaluationResult, bytes]:
    scores = CheckpointScores(items, {"ppl": 7.5}, 1.25)
    return summarize_scores(scores, identity=ID, evaluation="mine", digest="d", machine="m", when=7)


def test_what_is_written_is_read() -> None:
    items = (
        *some_items(20),
        ItemScore("weighted", 0.125, (), 2.5),
        ItemScore("tie\n\u00e9\U0001f600", 0.5, ("a", "b"), 1.0, paired=True),
    )
    result, _ = summarize(items)
    read = parse_line(encode_line(result))
    assert read == result
    assert (read.n, read.ties, read.metrics, read.buckets["mnist"][0]) == (22, 1, {"ppl": 7.5}, 5)
    assert read_scores(read, lambda _: None).items == tuple(sorted(items))


def test_scores_do_not_depend_on_the_order_in_which_they_came() -> None:
    items = some_items(50)
    assert encode_scores(items) == encode_scores(items[::-1])
    assert decode_scores(encode_scores(items)) == tuple(sorted(items))


def test_a_line_of_five_thousand_items_stays_small() -> None:
    """What whoever pushes notes is promised: at most 20 KB; the scores are inline, or a blob of their own."""
    result, text = summarize(some_items(4759))
    assert len(encode_line(result)) <= 20_000
    assert len(result.inline) <= LARGEST_INLINE
    found = read_scores(result._replace(inline="", blob=ID), {ID: text}.get)
    assert found.items == tuple(sorted(some_items(4759)))


def test_a_hundred_thousand_items_are_a_blob_of_their_own() -> None:
    result, _ = summarize(some_items(100_000))
    assert result.inline == ""
    with pytest.raises(EvaluationError, match="are not here"):
        read_scores(result._replace(blob=ID), lambda _: None)


LINE = encode_line(summarize(some_items(3))[0])
BAD_LINES = {
    "cut": LINE[: len(LINE) // 2],
    "no object": b"[]",
    "no JSON": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "no scores": b'{"version": 1}',
    "no id": LINE.replace(ID.encode(), b"../../etc/passwd"),
    "other type": LINE.replace(b'"digest":"d"', b'"digest":7'),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_what_is_no_line_is_told(what: str) -> None:
    with pytest.raises(EvaluationError, match="is no line of a result"):
        parse_line(BAD_LINES[what])


def test_a_line_of_a_later_release_is_told_as_such() -> None:
    with pytest.raises(EvaluationError, match="is of version 2, and this git-theta reads 1"):
        parse_line(json.dumps(json.loads(LINE) | {"version": 2}).encode())


def test_damaged_scores_are_told() -> None:
    result, text = summarize(some_items(3))
    for inline in (result.inline[:-3], "!" * 10, " "):
        with pytest.raises(EvaluationError, match="damaged"):
            read_scores(result._replace(inline=inline), lambda _: None)
    for blob in (b"", text[:-4], b'{"id": ["a"], "score": []}', b'{"id": ["a"], "score": ["x"]}', b"7"):
        with pytest.raises(EvaluationError, match="damaged"):
            read_scores(result._replace(inline="", blob=ID), lambda _, blob=blob: blob)  # type: ignore[misc]
    with pytest.raises(EvaluationError, match="has 3 scores, and its line says 4"):
        read_scores(result._replace(n=4), lambda _: None)
