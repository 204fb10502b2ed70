"""What is said of one row, wherever it is shown: its sign, dtype and shape, figures, and notes."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.checkpoints.shards import number
from git_theta.diffing.base import Change, Measured, Measures, Status
from git_theta.diffing.render import formatting
from git_theta.diffing.render.totals import names_tied
from git_theta.diffing.verdict import Kind, broke, kind_of
from git_theta.words import printable, size

SIGNS = {
    Status.UNCHANGED: " ",
    Status.CHANGED: "~",
    Status.SPEC: "!",
    Status.ADDED: "+",
    Status.REMOVED: "-",
    Status.RENAMED: ">",
    Status.MOVED: ">",
}

TITLES = ("relative", "norm", "largest", "cosine", "differ", "rank", "stored")
"""The figures of a row, in order: ``differ`` is the share of elements that do."""

_TAIL = 0.7
"""Share of the room that the end of a shortened name may take."""

Figure = tuple[str, float]
"""A figure in words, and as the number that it is sorted by."""


def spec(change: Change) -> str:
    """Dtype and shape, with an arrow where they changed: ``F32 -> BF16 [384, 384]``."""
    entries = [place.entry for place in (change.before, change.after) if place]
    sides = [(printable(entry.dtype), formatting.shape(entry.shape)) for entry in entries]
    (dtype, shape), (other, reshaped) = sides[0], sides[-1]
    if dtype != other and shape != reshaped:
        return f"{dtype} {shape} -> {other} {reshaped}"
    return " ".join(was if was == now else f"{was} -> {now}" for was, now in [(dtype, other), (shape, reshaped)])


def shortened(name: str, room: int) -> str:
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


def figures(row: Measured) -> dict[str, Figure]:
    """The figures of a row by their titles; those that it does not have are left out."""
    return {title: (words, value) for title, words, value in _figures(row) if value is not None}


def notes(row: Measured, hints: bool = True) -> Iterator[tuple[str, bool]]:
    """What figures do not tell of a row: words, and whether they are alarming. ``hints``: what it looks like, too."""
    change = row.change
    if row.failure:
        yield printable(row.failure), True
    nan, infinite = broke(row.measures)
    if nan or infinite:
        appeared = [f"{found:,} {what}" for found, what in [(nan, "NaN"), (infinite, "infinite")] if found]
        yield f"{' and '.join(appeared)} appeared", True
    if hints and row.measures and kind_of(row) is Kind.LOW_RANK:
        yield f"rank ~{row.measures.rank}: looks like an adapter", False
    if change.before and change.after and change.before.name != change.after.name:
        yield f"renamed from {printable(change.before.name)}", False
    if change.before and change.after and number(change.before.path) != number(change.after.path):
        yield f"moved from {printable(change.before.path)} to {printable(change.after.path)}", False
    tied = names_tied(row)
    if tied:
        yield f"tied: {', '.join(tied)}", False


def _figures(row: Measured) -> Iterator[tuple[str, str, float | None]]:
    found, stored = row.measures, row.change.stored
    if found:
        share = _share(found)
        yield "relative", formatting.percent(found.relative), found.relative
        yield "norm", formatting.number(found.norm), found.norm
        yield "largest", formatting.number(found.largest), found.largest
        yield "cosine", formatting.cosine(found.cosine), found.cosine
        yield "differ", formatting.percent(share), share
        yield "rank", f"~{found.rank}", found.rank or None  # 0: no more than rounding explains
    yield "stored", size(stored), stored or None


def _share(found: Measures) -> float | None:
    return found.differing / found.elements if found.differing is not None and found.elements else None
