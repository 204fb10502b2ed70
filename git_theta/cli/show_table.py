"""The modules of a checkpoint, or its parameters, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.diffing.render.formatting import format_magnitude, format_shape
from git_theta.manifest.model import DENSE, Entry
from git_theta.operations.keeping.summary import ModuleNode, ParameterTotals, sum_parameters
from git_theta.words import escape_unprintable, humanize_size

_GAP = "  "
_MAX_COLUMN = 120  # columns of a name that others are lined up with: one of 100 kB would make each line as long


def list_module_rows(whole: ModuleNode, depth: int) -> Iterator[tuple[str, ...]]:
    """A row of titles, then one for each module, ``depth`` deep: outer ones first, inner ones indented."""
    yield "module", "parameters", "elements", "size", "stored", "dtypes"
    yield from _branch_rows(whole, "", depth)


def _branch_rows(module: ModuleNode, indent: str, depth: int) -> Iterator[tuple[str, ...]]:
    sums = sum_parameters(module.entries)
    dtypes = escape_unprintable(" ".join(sums.dtypes))
    yield indent + (escape_unprintable(module.name) or "(all)"), f"{sums.parameters:,}", *_format_totals(sums), dtypes
    for inner in module.modules if depth else ():
        yield from _branch_rows(inner, f"{indent}{_GAP}", depth - 1)


def _format_totals(sums: ParameterTotals) -> tuple[str, str, str]:
    return format_magnitude(sums.elements), humanize_size(sums.size), humanize_size(sums.stored)


def list_parameter_rows(chosen: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """A row of titles, then one for each parameter; updates have a column where any is not dense."""
    told = any(entry.storage.coding.update != DENSE for entry in chosen)
    yield "parameter", "shape", "elements", "size", "stored", *(["update"] if told else []), "dtype"
    for entry in chosen:
        yield (
            escape_unprintable(entry.name or ""),
            format_shape(entry.shape),
            *_format_totals(sum_parameters([entry])),
            *([_format_update(entry)] if told else []),
            escape_unprintable(entry.dtype),
        )


def _format_update(entry: Entry) -> str:
    """The update's name, and how many bases it builds on where it has any: ``delta 2``."""
    coding = entry.storage.coding
    return f"{escape_unprintable(coding.update)} {len(coding.chain) or ''}".rstrip()


def align_rows(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The first and the last column to the left, the others to the right."""
    widths = [min(_MAX_COLUMN, max(map(len, column))) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
        lines.append(_GAP.join([first.ljust(widths[0]), *cells, last]))
    return lines
