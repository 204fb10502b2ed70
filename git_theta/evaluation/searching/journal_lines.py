"""A search as lines of JSON: what it is about first, then each evaluation, so that it can be gone through again
(docs/spec/search.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.result_lines import decode_scores, encode_scores, pack_scores, unpack_scores
from git_theta.evaluation.searching.merge_candidate import MergeCandidate, candidate_json, parse_candidate

JOURNAL_VERSION = 1
"""Of the lines: it grows when a program that read the former would be misled."""

ItemPart = Literal["all", "searched", "held out"]
FailedStep = Literal["", "building", "evaluating"]


class AskedScores(NamedTuple):
    """What is asked for.

    Attributes:
        candidate: of what.
        part: of which items: all (they are not known before the first evaluation), of those that are searched from
            ``first`` up to ``last``, or all that are held out.
        first, last: places in the order of the search.
    """

    candidate: MergeCandidate
    part: ItemPart
    first: int = 0
    last: int = 0


class JournalEntry(NamedTuple):
    """An evaluation as it went.

    Attributes:
        asked: what for.
        identity: SHA-256 of the candidate's identity text; "" where it could not be built.
        scores: of the items; None where it failed.
        cost: evaluations that it counts for; 0 where the same contents were scored before.
        seconds: what it took, building included.
        failed: what failed; "" for nothing.
        error: why.
    """

    asked: AskedScores
    identity: str = ""
    scores: tuple[ItemScore, ...] | None = None
    cost: float = 0
    seconds: float = 0
    failed: FailedStep = ""
    error: str = ""


def encode_header(request: Mapping[str, Any]) -> bytes:
    """The first line, without its end: what decides where a search goes."""
    return _encode({"version": JOURNAL_VERSION, "request": request})


def encode_entry(entry: JournalEntry) -> bytes:
    """The line of an evaluation, without its end."""
    asked = entry.asked
    data: dict[str, Any] = {
        "candidate": candidate_json(asked.candidate),
        "part": asked.part,
        "first": asked.first,
        "last": asked.last,
        "identity": entry.identity,
        "cost": entry.cost,
        "seconds": round(entry.seconds, 3),
    }
    if entry.scores is None:
        return _encode({**data, "failed": entry.failed, "error": entry.error})
    return _encode({**data, "scores": pack_scores(encode_scores(entry.scores))})


def parse_entry(line: bytes) -> JournalEntry:
    """The evaluation of a line. Raises EvaluationError for what is none."""
    try:
        data = json.loads(line)
        asked = AskedScores(
            parse_candidate(data["candidate"]),
            cast(ItemPart, _require_one_of(data["part"], get_args(ItemPart))),
            int(data["first"]),
            int(data["last"]),
        )
        scores = decode_scores(unpack_scores(data["scores"])) if "scores" in data else None
        steps = get_args(FailedStep)[1:] if scores is None else ("",)
        return JournalEntry(
            asked,
            str(data["identity"]),
            scores,
            float(data["cost"]),
            float(data["seconds"]),
            cast(FailedStep, _require_one_of(data.get("failed", ""), steps)),
            str(data.get("error", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise EvaluationError(f"is no line of a search ({type(error).__name__})") from None


def _require_one_of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError
    return str(value)


def _encode(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
