"""Rows of a report by module: what stands before the last dot of a parameter's name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from git_theta.diffing.base import ChangeStatus, MeasuredChange


class ModuleChanges(NamedTuple):
    """The rows of one module, and their sums over those that have the number; None where no row has.

    Attributes:
        name: "layers.0.attention"; "" for parameters without one.
        rows: in the order of the report.
        counts: how many rows have a status.
        elements: how many there are; 0 where nothing was measured.
        norm: of all differences together.
        relative: ``norm`` over the norm that the same rows had before.
        largest: largest absolute difference.
        stored_bytes: bytes that the new values take.
    """

    name: str
    rows: tuple[MeasuredChange, ...]
    counts: Mapping[ChangeStatus, int]
    elements: int
    norm: float | None
    relative: float | None
    largest: float | None
    stored_bytes: int


def group_by_module(rows: Iterable[MeasuredChange]) -> list[ModuleChanges]:
    """The modules of some rows, in the order in which the rows name them first."""
    groups: dict[str, list[MeasuredChange]] = {}
    for row in rows:
        groups.setdefault(row.change.name.rpartition(".")[0], []).append(row)
    return [_summarize_module(name, tuple(group)) for name, group in groups.items()]


def relative_of(rows: Iterable[MeasuredChange]) -> float | None:
    """Norm of all changes together over the norm of all values before: of the rows where both are known."""
    norm, before = _joint_norms(rows) or (0.0, 0.0)
    return norm / before if before else None


def _joint_norms(rows: Iterable[MeasuredChange]) -> tuple[float, float] | None:
    """Norms of all changes together, and of all values that these rows had before; None where no row was compared."""
    measures = [row.measures for row in rows if row.measures and row.measures.norm is not None]
    if not measures:
        return None
    norm, before = zip(*((each.norm or 0.0, each.norm_before or 0.0) for each in measures), strict=True)
    return math.hypot(*norm), math.hypot(*before)


def _summarize_module(name: str, rows: tuple[MeasuredChange, ...]) -> ModuleChanges:
    measured = [row.measures for row in rows if row.measures]
    norms = _joint_norms(rows)
    statuses = [row.change.status for row in rows]
    return ModuleChanges(
        name,
        rows,
        {status: statuses.count(status) for status in ChangeStatus if status in statuses},
        sum(each.elements for each in measured),
        norms and norms[0],
        relative_of(rows),
        max((each.largest for each in measured if each.largest is not None), default=None),
        sum(row.change.stored_bytes for row in rows),
    )
