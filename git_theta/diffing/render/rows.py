"""The parts of one row, in every kind of report: its sign, dtype and shape, figures, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.checkpoints.shards import shard_number
from git_theta.diffing.base import COLUMNS, Change, ChangeStatus, MeasuredChange, Measures
from git_theta.diffing.render import formatting
from git_theta.diffing.render.totals import other_names
from git_theta.diffing.verdict import ChangeKind, count_new_nonfinite, kind_of
from git_theta.words import escape_unprintable, humanize_size

SIGNS = {
    ChangeStatus.UNCHANGED: " ",
    ChangeStatus.CHANGED: "~",
    ChangeStatus.SPEC: "!",
    ChangeStatus.ADDED: "+",
    ChangeStatus.REMOVED: "-",
    ChangeStatus.RENAMED: ">",
    ChangeStatus.MOVED: ">",
}

_TAIL = 0.7
"""Share of the room that the end of a shortened name may take."""

Figure = tuple[str, float]
"""A figure in words, and as the number that it is sorted by."""


def format_spec(change: Change) -> str:
    """Dtype and shape, with an arrow where they changed: ``F32 -> BF16 [384, 384]``."""
    entries = [place.entry for place in (change.before, change.after) if place]
    sides = [(escape_unprintable(entry.dtype), formatting.format_shape(entry.shape)) for entry in entries]
    (dtype, shape), (other, reshaped) = sides[0], sides[-1]
    if dtype != other and shape != reshaped:
        return f"{dtype} {shape} -> {other} {reshaped}"
    return " ".join(was if was == now else f"{was} -> {now}" for was, now in [(dtype, other), (shape, reshaped)])


def shorten_name(name: str, room: int) -> str:
    """A name in ``room`` columns, where that can be. Its middle goes first, its last component never: most tell their
    parameters apart at the end, so that gets the larger part of the room.
    """
    if len(name) <= room:
        return name
    *others, tail = name.split(".")
    while others and len(f"{others[-1]}.{tail}") <= _TAIL * room:
        tail = f"{others.pop()}.{tail}"
    start = ".".join(others)[: max(0, room - len("...") - len(tail))]
    return f"{start}...{tail}" if others else tail


def list_titles(rows: Iterable[MeasuredChange]) -> list[str]:
    """The titles of all figures that rows may have, in order: what was asked for by name stands last but one."""
    *usual, last = COLUMNS
    return [*usual, *list_measures(rows), last]


def list_measures(rows: Iterable[MeasuredChange]) -> list[str]:
    """What was asked for by name beside the figures that all diffs have, in order."""
    return list(dict.fromkeys(one.name for row in rows if row.measures for one in row.measures.further))


def figures_of(row: MeasuredChange) -> dict[str, Figure]:
    """The figures of a row by their titles; those that it does not have are left out."""
    return {title: (words, value) for title, words, value in _all_figures(row) if value is not None}


def notes_of(row: MeasuredChange, hints: bool = True) -> Iterator[tuple[str, bool]]:
    """The notes on a row, and whether each is alarming. ``hints``: with a guess at what kind of change it is."""
    change = row.change
    if row.failure:
        yield escape_unprintable(row.failure), True
    nan, infinite = count_new_nonfinite(row.measures)
    if nan or infinite:
        appeared = [f"{found:,} {what}" for found, what in [(nan, "NaN"), (infinite, "infinite")] if found]
        yield f"{' and '.join(appeared)} appeared", True
    if hints and row.measures and kind_of(row) is ChangeKind.LOW_RANK:
        yield f"rank ~{row.measures.rank}: looks like an adapter", False
    if change.before and change.after and change.before.name != change.after.name:
        yield f"renamed from {escape_unprintable(change.before.name)}", False
    if change.before and change.after and shard_number(change.before.path) != shard_number(change.after.path):
        yield f"moved from {escape_unprintable(change.before.path)} to {escape_unprintable(change.after.path)}", False
    tied = other_names(row)
    if tied:
        yield f"tied: {', '.join(tied)}", False


def _all_figures(row: MeasuredChange) -> Iterator[tuple[str, str, float | None]]:
    found, stored = row.measures, row.change.stored_bytes
    if found:
        share = _differing_share(found)
        yield "relative", formatting.format_percent(found.relative), found.relative
        yield "norm", formatting.format_number(found.norm), found.norm
        yield "largest", formatting.format_number(found.largest), found.largest
        yield "cosine", formatting.format_cosine(found.cosine), found.cosine
        yield "differ", formatting.format_percent(share), share
        yield "rank", f"~{found.rank}", found.rank or None  # 0: no more than rounding explains
        yield from ((one.name, formatting.format_value(one), one.value) for one in found.further)
    yield "stored", humanize_size(stored), stored or None


def _differing_share(found: Measures) -> float | None:
    return found.differing / found.elements if found.differing is not None and found.elements else None
