"""What the pictures of a report show, before HTML or PNG draws them: a heat map, a bar, the top parameters."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from git_theta.diffing.base import Measured, Report
from git_theta.diffing.modules import relative_of
from git_theta.diffing.render.totals import elements
from git_theta.diffing.verdict import Kind, broke, kind_of
from git_theta.words import printable

TOP = 12
"""How many parameters the list of the most changed ones has."""
STEPS = 9
"""Steps of the scale of a heat map."""
_DECADES = 3
"""Powers of ten that the scale spans at most: below the lowest step everything looks alike."""

_Where = tuple[str | None, int, str]
"""The stack that a parameter is in, its layer, its module within the layer; (None, 0, module) outside of all."""


class State(StrEnum):
    """What a cell of a heat map stands for."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    BROKEN = "broken"
    """NaN or infinite values appeared."""
    OTHER = "other"
    """Added, removed, of another shape, or not measured: no relative change can be told."""


class Cell(NamedTuple):
    """One module of one layer: its state, and the relative norm of what changed in it, where that is known."""

    state: State
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

    kinds: tuple[tuple[Kind, int, int], ...]

    def share(self, kind: Kind) -> float:
        """The share of all elements."""
        everything = sum(amount for _, _, amount in self.kinds)
        return sum(amount for each, _, amount in self.kinds if each is kind) / everything if everything else 0


def heat_maps(report: Report) -> tuple[HeatMap, ...]:
    """A heat map for each stack of layers in the checkpoint, and one for what is in none, the first."""
    rows = _all_rows(report)
    places = {place: list(found) for place, found in _by_place(rows).items()}
    stacks: dict[str | None, list[_Where]] = defaultdict(list)
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


def bar(report: Report) -> Bar:
    """How much of the checkpoint changed, and in which way."""
    parameters: Counter[Kind] = Counter()
    amounts: Counter[Kind] = Counter()
    for row in _all_rows(report):
        kind = kind_of(row)
        parameters[kind] += 1
        amounts[kind] += elements(row.change)
    return Bar(tuple((kind, parameters[kind], amounts[kind]) for kind in Kind if parameters[kind]))


def top(report: Report, number: int = TOP) -> tuple[tuple[str, float], ...]:
    """The parameters with the largest relative change, largest first: (name, relative)."""
    found = [
        (printable(row.change.name), row.measures.relative)
        for row in report.rows
        if row.measures and row.measures.relative is not None and math.isfinite(row.measures.relative)
    ]
    return tuple(sorted(found, key=lambda pair: -pair[1])[:number])


def where(name: str) -> _Where:
    """Where a parameter is: ``encoder.layer.3.output.dense.weight`` is in ("encoder.layer", 3, "output.dense")."""
    parts = printable(name).split(".")
    number = next((place for place, part in enumerate(parts[:-1]) if _is_number(part)), None)
    if number is None:
        return None, 0, ".".join(parts[:-1]) or parts[-1]
    behind = parts[number + 1 : -1] or parts[-1:]
    return ".".join(parts[:number]), int(parts[number]), ".".join("*" if _is_number(part) else part for part in behind)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < len("100000")


def _all_rows(report: Report) -> Iterator[Measured]:
    """Every parameter of the comparison: with its measures, where the report has them."""
    measured = {id(row.change): row for row in report.rows}
    return (measured.get(id(change), Measured(change)) for change in report.comparison.changes)


def _by_place(rows: Iterable[Measured]) -> dict[_Where, list[Measured]]:
    places: dict[_Where, list[Measured]] = defaultdict(list)
    for row in rows:
        places[where(row.change.name)].append(row)
    return places


def _heat_map(stack: str | None, found: Sequence[_Where], places: Mapping[_Where, Sequence[Measured]]) -> HeatMap:
    modules = tuple(dict.fromkeys(module for _, _, module in found))
    layers = tuple(sorted({layer for _, layer, _ in found}))
    return HeatMap(stack, layers, modules, {(place[2], place[1]): _cell(places[place]) for place in found})


def _cell(rows: Sequence[Measured]) -> Cell:
    relative = relative_of(rows)
    if any(any(broke(row.measures)) for row in rows):
        return Cell(State.BROKEN, relative)
    if all(kind_of(row) is Kind.UNCHANGED for row in rows):
        return Cell(State.UNCHANGED, 0.0)
    return Cell(State.OTHER if relative is None else State.CHANGED, relative)
