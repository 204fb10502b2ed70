"""``git theta show``: what one version of a checkpoint is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from git_theta.checkpoints.shards import Shard
from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import colored, paged
from git_theta.diffing.render.colors import paint, palette
from git_theta.diffing.render.formatting import magnitude, shape
from git_theta.errors import ThetaError, UsageError
from git_theta.globs import name_matcher
from git_theta.manifest.model import Entry
from git_theta.operations.keeping.summary import (
    Module,
    Scalar,
    Totals,
    alike,
    elements,
    metadata,
    modules,
    ties,
    totals,
)
from git_theta.repository.checkpoint_lookup import Checkpoint, named
from git_theta.repository.opening import open_store
from git_theta.repository.version_history import past
from git_theta.store.local import LocalStore
from git_theta.vcs.discovery import discover
from git_theta.words import count, printable, size

_GAP = "  "
_LONGEST = 100  # characters of a metadata value
_LISTED = 10  # ties, values
_WIDEST = 120  # columns of a name that others are lined up with: one of 100 kB would make each line as long

Metadata = Mapping[str, Scalar] | str
"""What the frame says; or why it could not be read."""


@click.command
@click.argument("name", default="HEAD", metavar="[REV:PATH | :PATH | PATH | REV]")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="These parameters alone.")
@click.option("--depth", type=click.IntRange(min=0), default=2, metavar="N", help="Show modules N deep (2).")
@click.option("--parameters", is_flag=True, help="List every parameter.")
@json_option
def command(name: str, globs: tuple[str, ...], depth: int, parameters: bool, as_json: bool) -> None:
    """Show what one version of a checkpoint is made of.

    REV:PATH is as with `git show`: PATH from the top, or relative to the current folder when it starts with ./ or ../;
    without REV, what the index holds. PATH alone is what HEAD holds, relative to the current folder. REV alone (HEAD by
    default) is the one checkpoint of that commit. PATH may be the index of shards. No tensor is read.
    """
    repository = discover()
    with past(boundary.warn) as history:
        found = named(history.blobs, name)
    chosen = _chosen(found, globs)
    store = open_store(repository)
    facts = [_metadata(shard, store) for shard in found.shards]
    if as_json:
        echo_json(_json(found, chosen, facts))
    else:
        color = colored()
        body = _listing(chosen) if parameters else _tree(modules(chosen), depth)
        titles, *rows = _aligned(list(body))
        lines = [*_head(found, chosen, facts, color=color), "", paint(titles, palette(color).dim), *rows]
        paged("".join(f"{line}\n" for line in lines))


def _chosen(found: Checkpoint, globs: Sequence[str]) -> list[Entry]:
    matches: Callable[[str], bool] = name_matcher(globs) if globs else lambda _: True
    every = [entry for shard in found.shards for entry in shard.manifest.parameters()]
    chosen = [entry for entry in every if any(map(matches, [entry.name or "", *ties(entry)]))]
    if globs and not chosen:
        raise UsageError(f"no parameter of {found.path} matches", hint="--parameters lists their names")
    return chosen


def _metadata(shard: Shard, store: LocalStore) -> Metadata:
    try:
        return metadata(shard.manifest, store)
    except ThetaError as error:
        return error.message


def _head(found: Checkpoint, chosen: Sequence[Entry], facts: Sequence[Metadata], *, color: bool) -> Iterator[str]:
    where = found.revision or "the index"
    yield paint(f"{printable(found.path)} at {printable(where)}", palette(color).meta)
    for title, text in _facts(found, chosen, facts):
        yield f"{title:<10}  {text}"


def _facts(found: Checkpoint, chosen: Sequence[Entry], facts: Sequence[Metadata]) -> Iterator[tuple[str, str]]:
    sums = totals(chosen)
    formats = ", ".join(dict.fromkeys(shard.manifest.format for shard in found.shards))
    several = f", {len(found.shards)} shards" if len(found.shards) > 1 else ""
    yield "format", f"{printable(formats)}, {size(sum(shard.manifest.size for shard in found.shards))}{several}"
    yield "parameters", f"{sums.parameters:,}, {magnitude(sums.elements)} elements, {size(sums.size)}"
    for title, (dtype, number) in zip(["dtypes", *[""] * len(sums.dtypes)], sums.dtypes.items(), strict=False):
        same = totals(entry for entry in chosen if entry.dtype == dtype)
        yield title, f"{printable(dtype)}: {count(number, 'parameter')}, {size(same.size)}"
    objects = {entry.storage.object for entry in chosen}
    yield "stored", f"{size(sums.stored)} in {count(len(objects), 'object')}"
    yield from _titled("shared", [" = ".join(printable(one.name or "") for one in group) for group in alike(chosen)])
    tied = [" = ".join(map(printable, [entry.name or "", *ties(entry)])) for entry in chosen if ties(entry)]
    yield from _titled("tied", tied)
    yield from _titled("metadata", [line for fact in facts for line in _values(fact)])


def _titled(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines[:_LISTED]):
        yield title if not number else "", line
    if len(lines) > _LISTED:
        yield "", f"and {len(lines) - _LISTED:,} more"


def _values(fact: Metadata) -> Iterator[str]:
    if isinstance(fact, str):
        yield f"cannot be read: {printable(fact)}"
        return
    for key, value in fact.items():
        text = printable(f"{key}: {value}")
        yield text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _tree(whole: Module, depth: int) -> Iterator[tuple[str, ...]]:
    yield "module", "parameters", "elements", "size", "stored", "dtypes"
    yield from _branch(whole, "", depth)


def _branch(module: Module, indent: str, depth: int) -> Iterator[tuple[str, ...]]:
    sums = totals(module.entries)
    dtypes = printable(" ".join(sums.dtypes))
    yield indent + (printable(module.name) or "(all)"), f"{sums.parameters:,}", *_figures(sums), dtypes
    for inner in module.modules if depth else ():
        yield from _branch(inner, f"{indent}{_GAP}", depth - 1)


def _figures(sums: Totals) -> tuple[str, str, str]:
    return magnitude(sums.elements), size(sums.size), size(sums.stored)


def _listing(chosen: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    yield "parameter", "shape", "elements", "size", "stored", "dtype"
    for entry in chosen:
        yield printable(entry.name or ""), shape(entry.shape), *_figures(totals([entry])), printable(entry.dtype)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The first and the last column to the left, the others to the right."""
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
        lines.append(_GAP.join([first.ljust(widths[0]), *cells, last]))
    return lines


def _json(found: Checkpoint, chosen: Sequence[Entry], facts: Sequence[Metadata]) -> dict[str, Any]:
    return {
        "path": found.path,
        "revision": found.revision or None,
        "files": [_file_json(shard, fact) for shard, fact in zip(found.shards, facts, strict=True)],
        "total": totals(chosen)._asdict(),
        "modules": [_module_json(module) for module in _flat(modules(chosen))],
        "shared": [[entry.name for entry in group] for group in alike(chosen)],
        "parameters": [_parameter_json(entry) for entry in chosen],
    }


def _file_json(shard: Shard, fact: Metadata) -> dict[str, Any]:
    return {
        "path": shard.path,
        "format": shard.manifest.format,
        "size": shard.manifest.size,
        "metadata": None if isinstance(fact, str) else dict(fact),
        "failure": fact if isinstance(fact, str) else None,
    }


def _flat(module: Module, above: str = "") -> Iterator[Module]:
    """The modules with their whole names, outer ones first."""
    name = f"{above}.{module.name}" if above else module.name
    if name:
        yield module._replace(name=name)
    for inner in module.modules:
        yield from _flat(inner, name)


def _module_json(module: Module) -> dict[str, Any]:
    return {"name": module.name, **totals(module.entries)._asdict()}


def _parameter_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "ties": ties(entry),
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "elements": elements(entry),
        "size": entry.size,
        "oid": entry.oid,
        "stored": entry.storage.size,
        "update": entry.storage.update,
        "serializer": entry.storage.serializer,
        "object": entry.storage.object,
        "range": list(entry.storage.range) if entry.storage.range else None,
    }
