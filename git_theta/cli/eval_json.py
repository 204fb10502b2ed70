"""How ``git theta eval`` says what it found, to programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from git_theta.evaluation.comparison import BucketRow
from git_theta.globs import name_matcher
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.version_comparison import VersionComparison

VERSION = 1
"""Of the JSON: it grows when a program that read the former one would be misled."""


def choices_json(found: Iterable[EvaluationChoice]) -> dict[str, Any]:
    """What ``--list --json`` prints."""
    return {"version": VERSION, "evaluations": list(map(_listed_json, found))}


def _listed_json(choice: EvaluationChoice) -> dict[str, Any]:
    definition = choice.definition
    return {
        "name": choice.name,
        "permission": choice.permission.name.lower(),
        "tracked": choice.tracked,
        "checkpoints": list(definition.checkpoints),
        "direction": definition.direction,
        "gates": [gate.text for gate in definition.gates],
        "required": definition.required,
        "evaluator": definition.evaluator,
        "command": definition.command,
    }


def evaluations_json(found: Sequence[EvaluatedCheckpoint]) -> dict[str, Any]:
    """What ``--json`` prints of evaluations."""
    return {"version": VERSION, "evaluations": [_evaluated_json(one) for one in found]}


def _evaluated_json(found: EvaluatedCheckpoint) -> dict[str, Any]:
    result = found.result
    return {
        "evaluation": found.choice.name,
        "revision": found.version.label,
        "commit": found.version.tree or None,
        "path": found.version.path,
        "identity": result.identity,
        "known": found.was_known,
        "n": result.n,
        "mean": result.mean,
        "ties": result.ties,
        "buckets": [{"bucket": name, "n": n, "mean": mean} for name, (n, mean) in result.buckets.items()],
        "metrics": [{"metric": name, "value": value} for name, value in sorted(result.metrics.items())],
        "machine": result.machine,
        "seconds": result.seconds,
        "when": result.when,
    }


def comparisons_json(found: Sequence[VersionComparison], by: Sequence[str] = ()) -> dict[str, Any]:
    """What ``--json`` prints of comparisons."""
    return {
        "version": VERSION,
        "passed": all(one.passed for one in found),
        "comparisons": [_comparison_json(one, by) for one in found],
    }


def _comparison_json(found: VersionComparison, by: Sequence[str]) -> dict[str, Any]:
    compared = found.compared
    rows = [row for row in compared.buckets if not by or name_matcher(by)(row.bucket)]
    return {
        "evaluation": found.after.choice.name,
        "before": _evaluated_json(found.before),
        "after": _evaluated_json(found.after),
        "test": compared.test,
        "direction": compared.settings.direction,
        "alpha": compared.settings.alpha,
        "seed": compared.settings.seed,
        "overall": _row_json(compared.overall),
        "buckets": [_row_json(row) for row in rows],
        "metrics": [
            {"metric": name, "before": before, "after": after} for name, (before, after) in compared.metrics.items()
        ],
        "only_before": compared.only_before,
        "only_after": compared.only_after,
        "ties": list(compared.ties),
        "gates": [{"gate": one.gate.text, "passed": one.passed, "reason": one.reason} for one in found.gates],
    }


def _row_json(row: BucketRow) -> dict[str, Any]:
    verdict = {-1: "worse", 0: "same", 1: "better"}[row.verdict]
    return {**row._asdict(), "interval": list(row.interval) if row.interval else None, "verdict": verdict}
