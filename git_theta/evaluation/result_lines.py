"""A result as a line of JSON, and the scores of its items as one text: what Git keeps (docs/spec/eval.md).

A line has all that a table of versions shows. The scores, which a comparison needs, are in it where they are few, and
else a blob of their own, which the line names.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.running import MOST_ITEMS, CheckpointScores, weigh_mean

VERSION = 1
"""Of the lines: it grows when a program that read the former would be misled."""
LARGEST_INLINE = 16 << 10
"""Bytes that scores may take in a line."""
LARGEST_SCORES = 1 << 30
"""Bytes of scores that are read."""
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class EvaluationResult(NamedTuple):
    """One run, as it is kept.

    Attributes:
        identity: the id of the blob of the checkpoint's identity.
        evaluation: what the person calls the evaluation.
        digest: of all that decides what it says: evaluator, command, version, items (``digest_evaluation``).
        n: items.
        mean: over them; None where there are none.
        ties: items whose two continuations were as likely.
        buckets: name -> (items, mean).
        metrics: figures of the whole run.
        machine: what it ran on, in words.
        seconds: what it took.
        when: seconds since the epoch.
        inline: the scores, packed; "" where they are in a blob.
        blob: its id; "" where there is none.
    """

    identity: str
    evaluation: str
    digest: str
    n: int
    mean: float | None
    ties: int
    buckets: dict[str, tuple[int, float]]
    metrics: dict[str, float]
    machine: str
    seconds: float
    when: int
    inline: str = ""
    blob: str = ""


def summarize_scores(
    scores: CheckpointScores, *, identity: str, evaluation: str, digest: str, machine: str, when: int
) -> tuple[EvaluationResult, bytes]:
    """The result of a run, and the text of its scores: to be kept in a blob, where the result has none inline."""
    groups: dict[str, list[ItemScore]] = {}
    for item in scores.items:
        for bucket in item.buckets:
            groups.setdefault(bucket, []).append(item)
    buckets = {name: (len(items), weigh_mean(items) or 0.0) for name, items in sorted(groups.items())}
    text = encode_scores(scores.items)
    packed = pack_scores(text)
    result = EvaluationResult(
        identity, evaluation, digest, len(scores.items), scores.mean, scores.ties, buckets, scores.metrics, machine,
        round(scores.seconds, 3), when, packed if len(packed) <= LARGEST_INLINE else "",
    )  # fmt: skip
    return result, text


def encode_line(result: EvaluationResult) -> bytes:
    """The line of a result, without its end."""
    data: dict[str, Any] = {"evaluation": result.evaluation, "version": VERSION, **result._asdict()}
    data["buckets"] = {name: {"n": n, "mean": mean} for name, (n, mean) in result.buckets.items()}
    del data["inline"], data["blob"]
    data["scores"] = {"inline": result.inline} if result.inline else {"blob": result.blob}
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def parse_line(line: bytes) -> EvaluationResult:
    """The result of a line. Raises EvaluationError, saying why, for one that is cut, or of a later release."""
    try:
        data = json.loads(line)
        version = data["version"]
        if version != VERSION:
            raise EvaluationError(f"is of version {version!r}, and this git-theta reads {VERSION}")
        return _read_result(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise EvaluationError(f"is no line of a result ({type(error).__name__})") from None


def _read_result(data: dict[str, Any]) -> EvaluationResult:
    texts = [data[key] for key in ("identity", "evaluation", "digest", "machine")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    scores = data["scores"]
    if not all(_ID.fullmatch(name) for name in (data["identity"], scores.get("blob", data["identity"]))):
        raise ValueError
    if len(scores.get("inline", "")) > LARGEST_INLINE:
        raise ValueError
    return EvaluationResult(
        data["identity"],
        data["evaluation"],
        data["digest"],
        int(data["n"]),
        None if data["mean"] is None else _read_finite(data["mean"]),
        int(data["ties"]),
        {str(name): (int(one["n"]), _read_finite(one["mean"])) for name, one in data["buckets"].items()},
        {str(name): _read_finite(value) for name, value in data["metrics"].items()},
        data["machine"],
        _read_finite(data["seconds"]),
        int(data["when"]),
        str(scores.get("inline", "")),
        str(scores.get("blob", "")),
    )


def read_scores(result: EvaluationResult, read_blob: Callable[[str], bytes | None]) -> CheckpointScores:
    """The scores of a result's items. Raises EvaluationError where they are not here, or are damaged."""
    text = unpack_scores(result.inline) if result.inline else read_blob(result.blob)
    if text is None:
        raise EvaluationError(
            f"the scores of {result.evaluation} are not here",
            hint="Bring them: git theta eval --sync. Or evaluate anew: --rerun",
        )
    items = decode_scores(text)
    if len(items) != result.n:
        raise EvaluationError(f"has {len(items)} scores, and its line says {result.n}", hint="Evaluate anew: --rerun")
    return CheckpointScores(items, result.metrics, result.seconds)


def pack_scores(text: bytes) -> str:
    """The text of scores as a part of a line; ``unpack_scores`` reads it."""
    return base64.b85encode(gzip.compress(text, mtime=0)).decode()


def unpack_scores(packed: str) -> bytes:
    """The text that ``pack_scores`` packed. Raises EvaluationError for what is damaged."""
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(base64.b85decode(packed), LARGEST_SCORES)
        if not unpacker.eof:
            raise ValueError
    except (ValueError, zlib.error):
        raise EvaluationError("the scores of a result are damaged", hint="Evaluate anew: --rerun") from None
    return text


def encode_scores(items: Iterable[ItemScore]) -> bytes:
    """Scores as a JSON object of columns, in the order of ids: the same text for the same scores."""
    ordered = sorted(items, key=lambda item: item.id)
    names = sorted({bucket for item in ordered for bucket in item.buckets})
    numbers = {name: number for number, name in enumerate(names)}
    columns: dict[str, Any] = {
        "id": [item.id for item in ordered],
        "score": [_shorten_number(item.score) for item in ordered],
    }
    if names:
        columns["buckets"] = names
        columns["bucket"] = [[numbers[name] for name in item.buckets] for item in ordered]
    if any(item.weight != 1 for item in ordered):
        columns["weight"] = [_shorten_number(item.weight) for item in ordered]
    if any(item.paired for item in ordered):
        columns["paired"] = [int(item.paired) for item in ordered]
    return json.dumps(columns, separators=(",", ":"), allow_nan=False).encode()


def decode_scores(text: bytes) -> tuple[ItemScore, ...]:
    """The scores of a text, in the order of ids. Raises EvaluationError for what is none."""
    try:
        columns = json.loads(text)
        count = len(columns["id"])
        names = columns.get("buckets", [])
        columns_ = [
            map(str, columns["id"]),
            map(_read_finite, columns["score"]),
            (tuple([str(names[number]) for number in one]) for one in columns.get("bucket", [()] * count)),
            map(_read_finite, columns.get("weight", [1.0] * count)),
            map(bool, columns.get("paired", [False] * count)),
        ]
        found = tuple(ItemScore(*row) for row in zip(*columns_, strict=True))
        if count > MOST_ITEMS:
            raise ValueError
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError):
        raise EvaluationError("the scores of a result are damaged", hint="Evaluate anew: --rerun") from None
    return found


def _read_finite(value: Any) -> float:
    """A number that can be written again. Raises ValueError: JSON as Python reads it has NaN, and 1e999 is infinite."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def _shorten_number(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
