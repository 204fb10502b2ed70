"""What the pictures of a report show, before HTML or PNG draws them: a heat map, a bar, the top parameters."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from git_theta.diffing.base import MeasuredChange, NamedValue, Report
from git_theta.diffing.modules import relative_of
from git_theta.diffing.render.totals import elements_of
from git_theta.diffing.verdict import ChangeKind, count_new_nonfinite, kind_of
from git_theta.words import escape_unprintable

TOP = 12
"""How many parameters the list of the most changed ones has."""
STEPS = 9
"""Steps of the scale of a heat map."""
_DECADES = 3
"""Powers of ten that the scale spans at most: below the lowest step everything looks alike."""

_Location = tuple[str | None, int, str]
"""The stack that a parameter is in, its layer, its module within the layer; (None, 0, module) outside of all."""


class CellState(StrEnum):
    """What a cell of a heat map stands for."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    BROKEN = "broken"
    """NaN or infinite values appeared."""
    OTHER = "other"
    """Added, removed, of another shape, or not measured: no relative change can be told."""


class Cell(NamedTuple):
    """One module of one layer: its state, and the relative norm of what changed in it, where that is known."""

    state: CellState
    relative: float | None = None


class HeatMap(NamedTuple):
    """Relative change by module and layer.

    Attributes:
        stack: the name in front of the layer number; "" where the number is the first, None for what is in no layer.
        layers: layer numbers, ascending.
        modules: names behind the layer number, in file order; further numbers (experts) are one: ``*``.
        cells: (module, layer) to what happened there; what is missing is not there.
    """

    stack: str | None
    layers: tuple[int, ...]
    modules: tuple[str, ...]
    cells: Mapping[tuple[str, int], Cell]


class Scale(NamedTuple):
    """A logarithmic scale from ``low`` to ``high``, in steps from 1 to :data:`STEPS`."""

    low: float
    high: float

    def step(self, relative: float | None) -> int:
        """The step of a relative change; 0 where there is none."""
        if not relative:
            return 0
        if self.high <= self.low:
            return STEPS
        share = math.log(relative / self.low) / math.log(self.high / self.low) if relative > self.low else 0
        return min(STEPS, 1 + int(STEPS * share))


class Bar(NamedTuple):
    """Parameters and elements of each kind of change, those that there are."""

    kinds: tuple[tuple[ChangeKind, int, int], ...]

    def share(self, kind: ChangeKind) -> float:
        """The share of all elements."""
        everything = sum(amount for _, _, amount in self.kinds)
        return sum(amount for each, _, amount in self.kinds if each is kind) / everything if everything else 0


def heat_maps_of(report: Report) -> tuple[HeatMap, ...]:
    """A heat map for each stack of layers in the checkpoint, and one for what is in none, the first."""
    rows = _rows_of_all(report)
    places = {place: list(found) for place, found in _group_by_location(rows).items()}
    stacks: dict[str | None, list[_Location]] = defaultdict(list)
    for where in places:
        stacks[where[0]].append(where)
    maps = [_heat_map(stack, found, places) for stack, found in stacks.items()]
    return tuple(sorted(maps, key=lambda found: found.stack is not None))


def scale_of(maps: Iterable[HeatMap]) -> Scale:
    """The scale that suits all of them: its end is the largest change, its start not too far below."""
    found = [cell.relative for each in maps for cell in each.cells.values() if cell.relative]
    finite = [relative for relative in found if math.isfinite(relative)]
    high = max(finite, default=0.0)
    return Scale(max(min(finite, default=0.0), high / 10**_DECADES), high)


def bar_of(report: Report) -> Bar:
    """How much of the checkpoint changed, and in which way."""
    parameters: Counter[ChangeKind] = Counter()
    amounts: Counter[ChangeKind] = Counter()
    for row in _rows_of_all(report):
        kind = kind_of(row)
        parameters[kind] += 1
        amounts[kind] += elements_of(row.change)
    return Bar(tuple((kind, parameters[kind], amounts[kind]) for kind in ChangeKind if parameters[kind]))


def largest_changes(report: Report) -> tuple[tuple[str, float], ...]:
    """The parameters with the largest relative change, largest first: (name, relative)."""
    found = [
        (escape_unprintable(row.change.name), row.measures.relative)
        for row in report.rows
        if row.measures and row.measures.relative is not None and math.isfinite(row.measures.relative)
    ]
    return tuple(sorted(found, key=lambda pair: -pair[1])[:TOP])


def largest_values(report: Report, measure: str) -> tuple[tuple[str, NamedValue], ...]:
    """The parameters of which a measure that was asked for found most, largest first."""
    found = [
        (escape_unprintable(row.change.name), one)
        for row in report.rows
        for one in (row.measures.further if row.measures else ())
        if one.name == measure and one.value is not None and math.isfinite(one.value)
    ]
    return tuple(sorted(found, key=lambda pair: -(pair[1].value or 0))[:TOP])


def locate_parameter(name: str) -> _Location:
    """Where a parameter is: ``encoder.layer.3.output.dense.weight`` is in ("encoder.layer", 3, "output.dense")."""
    parts = escape_unprintable(name).split(".")
    number = next((place for place, part in enumerate(parts[:-1]) if _is_number(part)), None)
    if number is None:
        return None, 0, ".".join(parts[:-1]) or parts[-1]
    behind = parts[number + 1 : -1] or parts[-1:]
    return ".".join(parts[:number]), int(parts[number]), ".".join("*" if _is_number(part) else part for part in behind)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < len("100000")


def _rows_of_all(report: Report) -> Iterator[MeasuredChange]:
    """Every parameter of the comparison: with its measures, where the report has them."""
    measured = {id(row.change): row for row in report.rows}
    return (measured.get(id(change), MeasuredChange(change)) for change in report.comparison.changes)


def _group_by_location(rows: Iterable[MeasuredChange]) -> dict[_Location, list[MeasuredChange]]:
    places: dict[_Location, list[MeasuredChange]] = defaultdict(list)
    for row in rows:
        places[locate_parameter(row.change.name)].append(row)
    return places


def _heat_map(
    stack: str | None, found: Sequence[_Location], places: Mapping[_Location, Sequence[MeasuredChange]]
) -> HeatMap:
    modules = tuple(dict.fromkeys(module for _, _, module in found))
    layers = tuple(sorted({layer for _, layer, _ in found}))
    return HeatMap(stack, layers, modules, {(place[2], place[1]): _cell(places[place]) for place in found})


def _cell(rows: Sequence[MeasuredChange]) -> Cell:
    relative = relative_of(rows)
    if any(any(count_new_nonfinite(row.measures)) for row in rows):
        return Cell(CellState.BROKEN, relative)
    if all(kind_of(row) is ChangeKind.UNCHANGED for row in rows):
        return Cell(CellState.UNCHANGED, 0.0)
    return Cell(CellState.OTHER if relative is None else CellState.CHANGED, relative)
