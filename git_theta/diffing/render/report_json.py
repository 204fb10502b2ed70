"""Reports for programs, as docs/spec/diff.schema.json has them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import MeasuredChange, Measures, ParameterVersion, Report
from git_theta.diffing.render.totals import sum_changes
from git_theta.diffing.verdict import judge_report, kind_of
from git_theta.diffing.whole_files import count_pieces

VERSION = 1
"""Of the schema: it grows when a program that read the former one would be misled."""


def render_json(reports: Iterable[Report]) -> dict[str, Any]:
    """All that was compared, as the schema has it."""
    return {"version": VERSION, "checkpoints": list(map(checkpoint_json, reports))}


def checkpoint_json(report: Report) -> dict[str, Any]:
    """One checkpoint, as ``$defs/checkpoint`` of the schema has it. Numbers that are not finite are null."""
    comparison, found = report.comparison, judge_report(report)
    sums = sum_changes(comparison.changes)
    pieces = count_pieces(comparison.before, comparison.after)
    return {
        "path": comparison.path,
        "labels": list(report.labels),
        "before": list(map(_shard_json, comparison.before)),
        "after": list(map(_shard_json, comparison.after)),
        "verdict": {"look": found.look.value, "text": found.text},
        "counts": {status.value: count for status, count in sums.counts.items()},
        "total": sums.parameters,
        "elements": sums.elements,
        "stored": pieces.stored_bytes if pieces else sums.stored_bytes,
        "rest": comparison.rest_changed,
        "pieces": {"total": pieces.pieces, "differing": pieces.differing} if pieces else None,
        "limited": report.limited,
        "parameters": list(map(_change_json, report.rows)),
    }


def _shard_json(shard: Shard) -> dict[str, Any]:
    return {"path": shard.path, "format": shard.manifest.format, "size": shard.manifest.size}


def _change_json(row: MeasuredChange) -> dict[str, Any]:
    return {
        "name": row.change.name,
        "status": row.change.status.value,
        "kind": kind_of(row).value,
        "before": _version_json(row.change.before),
        "after": _version_json(row.change.after),
        "stored": row.change.stored_bytes,
        "measures": _measures_json(row.measures),
        "failure": row.failure or None,
    }


def _version_json(place: ParameterVersion | None) -> dict[str, Any] | None:
    if place is None:
        return None
    entry = place.entry
    names = [entry.name or "", *(view.name for view in entry.views)]
    return {
        "path": place.path,
        "name": place.name,
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "size": entry.size,
        "oid": entry.oid,
        "ties": [name for name in names if name != place.name],
    }


def _measures_json(found: Measures | None) -> dict[str, Any] | None:
    return found and {
        "elements": found.elements,
        "differing": found.differing,
        "norm_before": _finite_or_none(found.norm_before),
        "norm_after": _finite_or_none(found.norm_after),
        "norm": _finite_or_none(found.norm),
        "relative": _finite_or_none(found.relative),
        "largest": _finite_or_none(found.largest),
        "cosine": _finite_or_none(found.cosine),
        "rank": found.rank,
        "rank_limit": found.rank_limit,
        "nonfinite_before": _nonfinite_json(found.nonfinite_before),
        "nonfinite_after": _nonfinite_json(found.nonfinite_after),
        "further": {one.name: _finite_or_none(one.value) for one in found.further},
    }


def _nonfinite_json(counts: tuple[int, int]) -> dict[str, int]:
    nan, infinite = counts
    return {"nan": nan, "infinite": infinite}


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
