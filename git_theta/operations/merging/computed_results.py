"""What strategies computed, remembered: a merge that was interrupted, or is asked for again, goes on where it stood.

A result depends on the strategy, its options, weights and seed, and on the bytes that go in; not on the device, nor on
how many threads there are (L9). Of a strategy that looks at all contests first, it depends on all of them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.manifest.model import Entry, Storage
from git_theta.merging.base import Contest, ContestReport, Operand, Strategy
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.context import Context
from git_theta.plugin_guard import PluginId


class ComputedResult(NamedTuple):
    """A merged tensor that is stored, and what the strategy had to tell."""

    oid: str
    size: int
    storage: Storage
    report: ContestReport


def find_result(key: str, label: PartLabel, known: KnownParts, context: Context) -> ComputedResult | None:
    """What was computed under a key before, of the part of that label, where it is still stored."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        if text := context.state.computed_of(key):
            said = json.loads(text)
            report = ContestReport(
                tuple(said["weights"]), said["facts"], said["nonfinite"], said["notes"], said["computed_by"]
            )
            if storage := known(said["oid"], label.dtype, label.shape):
                return ComputedResult(said["oid"], said["size"], storage, report)
    return None


def remember_results(results: Mapping[str, tuple[Entry, ContestReport]], context: Context) -> None:
    """Keep results that are durable: by key the tensor, and what the strategy had to tell."""
    texts = {key: _encode_result(*result) for key, result in results.items()}
    context.state.remember_computed({key: text for key, text in texts.items() if text})


def find_remembered_objects(context: Context) -> set[str]:
    """The ids of the objects in which remembered results lie."""
    found: set[str] = set()
    for text in context.state.computed_results():
        with suppress(ValueError, TypeError, KeyError):
            said = json.loads(text)
            if storage := context.state.storage_of(said["oid"], said.get("dtype", ""), tuple(said.get("shape", ()))):
                found.update(storage.objects())
    return found


def _encode_result(entry: Entry, report: ContestReport) -> str | None:
    """As JSON; None where that cannot hold what the strategy told: it is computed again.

    With dtype and shape: a tensor that is stored as a difference is remembered by these too.
    """
    about = {"oid": entry.oid, "size": entry.size, "dtype": entry.dtype, "shape": entry.shape}
    with suppress(ValueError, TypeError):
        return json.dumps({**about, **vars(report)}, allow_nan=False)
    return None


def result_keys(strategy: Strategy, contests: Sequence[Contest]) -> list[str]:
    """The keys of these contests, which are all that the strategy is given together."""
    package = PluginId("merges", strategy.name).find_package()
    source = _hash_source(type(strategy))
    facts = [[strategy.name, package, source, *_describe_contest(contest)] for contest in contests]
    together = facts if type(strategy).prepare is not Strategy.prepare else []
    group = _digest(together)
    return [_digest([group, fact]) for fact in facts]


def _hash_source(kind: type[Strategy]) -> str:
    """Of the module that a strategy is in: who writes one wants no results of what it was before."""
    file = getattr(sys.modules[kind.__module__], "__file__", None)
    with suppress(OSError):
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    return ""


def _describe_contest(contest: Contest) -> list[Any]:
    operands = [_describe_operand(operand) for operand in (contest.base, *contest.branches)]
    options = sorted((name, repr(value)) for name, value in contest.options.items())
    companions = {name: list(map(_describe_operand, held)) for name, held in sorted(contest.companions.items())}
    return [contest.name, options, contest.weights, contest.seed, operands, *([companions] if companions else [])]


def _describe_operand(operand: Operand | None) -> list[Any] | None:
    return [operand.oid, operand.spec.dtype.name, operand.spec.shape] if operand else None


def _digest(facts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
