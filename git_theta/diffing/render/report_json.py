"""Reports for programs, as docs/spec/diff.schema.json has them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Measured, Measures, Place, Report
from git_theta.diffing.render.totals import totals
from git_theta.diffing.verdict import kind_of, verdict

VERSION = 1
"""Of the schema: it grows when a program that read the former one would be misled."""


def document(reports: Iterable[Report]) -> dict[str, Any]:
    """All that was compared, as the schema has it."""
    return {"version": VERSION, "checkpoints": list(map(as_json, reports))}


def as_json(report: Report) -> dict[str, Any]:
    """One checkpoint, as ``$defs/checkpoint`` of the schema has it. Numbers that are not finite are null."""
    comparison, found = report.comparison, verdict(report)
    sums = totals(comparison.changes)
    return {
        "path": comparison.path,
        "labels": list(report.labels),
        "before": list(map(_shard, comparison.before)),
        "after": list(map(_shard, comparison.after)),
        "verdict": {"look": found.look.value, "text": found.text},
        "counts": {status.value: count for status, count in sums.counts.items()},
        "total": sums.parameters,
        "elements": sums.elements,
        "stored": sums.stored,
        "rest": comparison.rest,
        "limited": report.limited,
        "parameters": list(map(_row, report.rows)),
    }


def _shard(shard: Shard) -> dict[str, Any]:
    return {"path": shard.path, "format": shard.manifest.format, "size": shard.manifest.size}


def _row(row: Measured) -> dict[str, Any]:
    return {
        "name": row.change.name,
        "status": row.change.status.value,
        "kind": kind_of(row).value,
        "before": _place(row.change.before),
        "after": _place(row.change.after),
        "stored": row.change.stored,
        "measures": _measures(row.measures),
        "failure": row.failure or None,
    }


def _place(place: Place | None) -> dict[str, Any] | None:
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


def _measures(found: Measures | None) -> dict[str, Any] | None:
    return found and {
        "elements": found.elements,
        "differing": found.differing,
        "norm_before": _finite(found.norm_before),
        "norm_after": _finite(found.norm_after),
        "norm": _finite(found.norm),
        "relative": _finite(found.relative),
        "largest": _finite(found.largest),
        "cosine": _finite(found.cosine),
        "rank": found.rank,
        "rank_limit": found.rank_limit,
        "nonfinite_before": _nonfinite(found.nonfinite_before),
        "nonfinite_after": _nonfinite(found.nonfinite_after),
    }


def _nonfinite(counts: tuple[int, int]) -> dict[str, int]:
    nan, infinite = counts
    return {"nan": nan, "infinite": infinite}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
