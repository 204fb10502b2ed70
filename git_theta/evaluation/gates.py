"""Gates: what a version has to hold against the one before, as ``.theta/evals.toml`` writes it.

::

    mean >= before - 0.005        the mean over all items, against that of the version before, or against a number
    bucket:arabic >= 0.8          that of a bucket
    metric:ppl <= before + 0.1    a metric of the whole run
    no bucket worse               no bucket fell beyond chance (docs/spec/eval.md)

"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.evaluation.comparison import BucketRow, ScoreComparison

NO_BUCKET_WORSE = "no bucket worse"

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_GATE = re.compile(
    r"(?P<figure>mean|bucket:\S.*?|metric:\S.*?)\s*(?P<sign>>=|<=|>|<)\s*"
    rf"(?:(?P<before>before)(?:\s*(?P<plus>[+-])\s*(?P<margin>{_NUMBER}))?|(?P<number>{_NUMBER}))"
)
_HINT = f'Write "mean >= before - 0.005", "bucket:NAME >= 0.8", "metric:NAME <= before" or "{NO_BUCKET_WORSE}".'
_ROUNDING = 1e-12
"""Below which a difference is none: 0.8 - 0.005 is no number of binary fractions."""


class Gate(NamedTuple):
    """A gate.

    Attributes:
        text: as it was written.
        figure: ``mean``, ``bucket:NAME``, ``metric:NAME``; "" for that no bucket is worse.
        sign: how it is compared.
        relative: whether with what stood before.
        number: what is added to that, or what it is compared with.
    """

    text: str
    figure: str = ""
    sign: str = ""
    relative: bool = False
    number: float = 0


class GateVerdict(NamedTuple):
    """Whether a gate holds, and why not, or with which figures: ends the sentence "GATE: ..."."""

    gate: Gate
    passed: bool
    reason: str


def parse_gate(text: str) -> Gate:
    """The gate of a text. Raises UsageError for what is none."""
    words = " ".join(text.split())
    if words == NO_BUCKET_WORSE:
        return Gate(words)
    found = _GATE.fullmatch(words)
    if not found:
        raise UsageError(f"{text!r} is no gate", hint=_HINT)
    if found["before"]:
        margin = float(found["margin"] or 0) * (-1 if found["plus"] == "-" else 1)
        return Gate(words, found["figure"], found["sign"], True, margin)
    return Gate(words, found["figure"], found["sign"], False, float(found["number"]))


def judge_gates(gates: Sequence[Gate], found: ScoreComparison) -> list[GateVerdict]:
    """Whether each gate holds. A figure that one side lacks holds nothing."""
    return [_judge_gate(gate, found) for gate in gates]


def _judge_gate(gate: Gate, found: ScoreComparison) -> GateVerdict:
    if not gate.figure:
        worse = [row.bucket for row in found.buckets if row.is_worse]
        return GateVerdict(gate, not worse, f"worse: {', '.join(worse)}" if worse else "none is")
    before, after = _find_figures(gate.figure, found)
    if after is None or (gate.relative and before is None):
        return GateVerdict(gate, False, f"there is no {gate.figure} {'before' if after is not None else 'after'}")
    bound = (before or 0) + gate.number if gate.relative else gate.number
    slack = _ROUNDING * max(1.0, abs(bound)) * (1 if gate.sign[0] == ">" else -1)
    passed = _COMPARED[gate.sign](after + (slack if gate.sign.endswith("=") else 0), bound)
    return GateVerdict(gate, passed, f"it is {after:.6g}, and the bound {bound:.6g}")


def _find_figures(figure: str, found: ScoreComparison) -> tuple[float | None, float | None]:
    """What stood before and stands after, of the items that both have."""
    kind, _, name = figure.partition(":")
    if kind == "metric":
        pair = found.metrics.get(name, (None, None))
        return pair[0], pair[1]
    rows: Sequence[BucketRow] = (
        (found.overall,) if kind == "mean" else [row for row in found.buckets if row.bucket == name]
    )
    return (rows[0].before, rows[0].after) if rows else (None, None)
