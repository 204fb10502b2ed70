"""``git theta show``: what one version of a checkpoint is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import print_paged, uses_color
from git_theta.diffing.render.colors import choose_palette, paint
from git_theta.diffing.render.formatting import format_magnitude, format_shape
from git_theta.errors import ThetaError
from git_theta.formats.base import Scalar
from git_theta.globs import name_matcher
from git_theta.manifest.model import DENSE, Entry, stored_bytes
from git_theta.operations.keeping.summary import (
    ModuleNode,
    ParameterTotals,
    element_count,
    find_duplicates,
    list_framed_values,
    module_tree,
    read_metadata,
    sum_parameters,
    tied_names,
)
from git_theta.repository.comparing.index_checks import faults_of_commit, faults_of_index
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, find_checkpoint, refuse_globs
from git_theta.repository.history.version_history import open_history
from git_theta.repository.stores.object_stores import open_store
from git_theta.store.base import Store
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import escape_unprintable, humanize_size, pluralize

_GAP = "  "
_MAX_VALUE_LENGTH = 100  # characters of a metadata value
_MAX_LISTED = 10  # ties, values
_MAX_COLUMN = 120  # columns of a name that others are lined up with: one of 100 kB would make each line as long

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
    repository = discover_repository()
    with open_history(boundary.warn) as history:
        found = find_checkpoint(history.blobs, name)
    chosen = _select_entries(found, globs)
    store = open_store(repository)
    facts = [_read_metadata(shard, store) for shard in found.shards]
    framed = {key: text for shard in found.shards for key, text in _list_framed(shard, store).items()}
    faults = _find_faults(found, repository)
    if as_json:
        echo_json({**_checkpoint_json(found, chosen, facts), "framed": framed, "faults": faults})
    else:
        color = uses_color()
        body = _parameter_rows(chosen) if parameters else _module_rows(module_tree(chosen), depth)
        titles, *rows = _align_rows(list(body))
        table = ["", paint(titles, choose_palette(color).dim), *rows] if chosen else []
        head = [*_render_head(found, chosen, facts, framed, color=color), *map(escape_unprintable, faults)]
        lines = [*head, *table]
        print_paged("".join(f"{line}\n" for line in lines))


def _find_faults(found: CheckpointVersion, repository: Repository) -> list[str]:
    """What is wrong with the index, where that is what was named."""
    if not is_index(found.path):
        return []
    faults = faults_of_commit(found.revision, repository.worktree) if found.revision else faults_of_index(repository)
    return [fault for fault in faults if found.path in fault or any(shard.path in fault for shard in found.shards)]


def _select_entries(found: CheckpointVersion, globs: Sequence[str]) -> list[Entry]:
    matches = name_matcher(globs)
    every = [entry for shard in found.shards for entry in shard.manifest.parameters()]
    chosen = [entry for entry in every if any(map(matches, [entry.name or "", *tied_names(entry)]))]
    if globs and not chosen:
        refuse_globs(found.path)
    return chosen


def _read_metadata(shard: Shard, store: Store) -> Metadata:
    try:
        return read_metadata(shard.manifest, store)
    except ThetaError as error:
        return error.message


def _list_framed(shard: Shard, store: Store) -> Mapping[str, str]:
    with suppress(ThetaError):  # whoever reads the metadata says why
        return list_framed_values(shard.manifest, store)
    return {}


def _render_head(
    found: CheckpointVersion,
    chosen: Sequence[Entry],
    facts: Sequence[Metadata],
    framed: Mapping[str, str],
    *,
    color: bool,
) -> Iterator[str]:
    where = found.revision or "the index"
    yield paint(f"{escape_unprintable(found.path)} at {escape_unprintable(where)}", choose_palette(color).meta)
    for title, text in _summarise_checkpoint(found, chosen, facts):
        yield f"{title:<10}  {text}"
    told = [escape_unprintable(f"{key}: {what}") for key, what in framed.items()]
    for title, text in _title_lines("no tensor", [f"{one}, merged whole, not by elements" for one in told]):
        yield f"{title:<10}  {text}"


def _summarise_checkpoint(
    found: CheckpointVersion, chosen: Sequence[Entry], facts: Sequence[Metadata]
) -> Iterator[tuple[str, str]]:
    sums = sum_parameters(chosen)
    formats = ", ".join(dict.fromkeys(shard.manifest.format for shard in found.shards))
    several = f", {len(found.shards)} shards" if len(found.shards) > 1 else ""
    yield (
        "format",
        f"{escape_unprintable(formats)}, {humanize_size(sum(shard.manifest.size for shard in found.shards))}{several}",
    )
    if all(shard.manifest.is_opaque for shard in found.shards):
        yield "parameters", "none: no format reads the file, so it is kept whole"
    else:
        yield (
            "parameters",
            f"{sums.parameters:,}, {format_magnitude(sums.elements)} elements, {humanize_size(sums.size)}",
        )
    for title, (dtype, number) in zip(["dtypes", *[""] * len(sums.dtypes)], sums.dtypes.items(), strict=False):
        same = sum_parameters(entry for entry in chosen if entry.dtype == dtype)
        yield title, f"{escape_unprintable(dtype)}: {pluralize(number, 'parameter')}, {humanize_size(same.size)}"
    stored = _stored_parts(found, chosen)
    objects, bytes_ = {oid for entry in stored for oid in entry.storage.objects()}, sum_parameters(stored)
    own = f", {humanize_size(bytes_.own)} of it its own" if bytes_.own != bytes_.stored else ""
    yield "stored", f"{humanize_size(bytes_.stored)} in {pluralize(len(objects), 'object')}{own}"
    yield from _title_lines("", list(_describe_updates(chosen)))
    yield from _title_lines(
        "shared", [" = ".join(escape_unprintable(one.name or "") for one in group) for group in find_duplicates(chosen)]
    )
    tied = [
        " = ".join(map(escape_unprintable, [entry.name or "", *tied_names(entry)]))
        for entry in chosen
        if tied_names(entry)
    ]
    yield from _title_lines("tied", tied)
    lines = dict.fromkeys(line for fact in facts for line in _render_metadata(fact))  # shards repeat each other
    yield from _title_lines("metadata", list(lines))


def _describe_updates(chosen: Sequence[Entry]) -> Iterator[str]:
    """A line for each update but dense: how many parameters it stores, and on how many bases at most."""
    named: dict[str, list[Entry]] = {}
    for entry in chosen:
        named.setdefault(entry.storage.coding.update, []).append(entry)
    for update, entries in sorted(named.items()):
        if update != DENSE:
            deepest = max(len(entry.storage.coding.chain) for entry in entries)
            bases = f", on {pluralize(deepest, 'update base')} at most" if deepest else ""
            yield f"{escape_unprintable(update)}: {pluralize(len(entries), 'parameter')}{bases}"


def _stored_parts(found: CheckpointVersion, chosen: Sequence[Entry]) -> list[Entry]:
    """What counts as stored: of a whole checkpoint all of it, what is no parameter too."""
    parts = [part for shard in found.shards for part in shard.manifest.parts()]
    return parts if len(chosen) == sum(part.name is not None for part in parts) else list(chosen)


def _title_lines(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines[:_MAX_LISTED]):
        yield title if not number else "", line
    if len(lines) > _MAX_LISTED:
        yield "", f"and {len(lines) - _MAX_LISTED:,} more"


def _render_metadata(fact: Metadata) -> Iterator[str]:
    if isinstance(fact, str):
        yield f"cannot be read: {escape_unprintable(fact)}"
        return
    for key, value in fact.items():
        text = escape_unprintable(f"{key}: {value}")
        yield text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}..."


def _module_rows(whole: ModuleNode, depth: int) -> Iterator[tuple[str, ...]]:
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


def _parameter_rows(chosen: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
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


def _align_rows(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The first and the last column to the left, the others to the right."""
    widths = [min(_MAX_COLUMN, max(map(len, column))) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
        lines.append(_GAP.join([first.ljust(widths[0]), *cells, last]))
    return lines


def _checkpoint_json(found: CheckpointVersion, chosen: Sequence[Entry], facts: Sequence[Metadata]) -> dict[str, Any]:
    return {
        "path": found.path,
        "revision": found.revision or None,
        "files": [_file_json(shard, fact) for shard, fact in zip(found.shards, facts, strict=True)],
        "total": sum_parameters(chosen)._asdict(),
        "modules": [_module_json(module) for module in _flatten_modules(module_tree(chosen))],
        "shared": [[entry.name for entry in group] for group in find_duplicates(chosen)],
        "parameters": [_parameter_json(entry) for entry in chosen],
    }


def _file_json(shard: Shard, fact: Metadata) -> dict[str, Any]:
    return {
        "path": shard.path,
        "format": shard.manifest.format,
        "size": shard.manifest.size,
        "stored": sum_parameters(shard.manifest.parts()).stored,
        "metadata": None if isinstance(fact, str) else dict(fact),
        "failure": fact if isinstance(fact, str) else None,
    }


def _flatten_modules(module: ModuleNode, above: str = "") -> Iterator[ModuleNode]:
    """The modules with their whole names, outer ones first."""
    name = f"{above}.{module.name}" if above else module.name
    if name:
        yield module._replace(name=name)
    for inner in module.modules:
        yield from _flatten_modules(inner, name)


def _module_json(module: ModuleNode) -> dict[str, Any]:
    return {"name": module.name, **sum_parameters(module.entries)._asdict()}


def _parameter_json(entry: Entry) -> dict[str, Any]:
    coding, place, _ = entry.storage
    return {
        "name": entry.name,
        "ties": tied_names(entry),
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "elements": element_count(entry),
        "size": entry.size,
        "oid": entry.oid,
        "stored": stored_bytes([entry]),
        "own": place.size,
        "update": coding.update,
        "serializer": coding.serializer,
        "objects": [oid for oid, _ in place.objects()],
        "range": list(place.range) if place.range else None,
        "bases": [base.oid for base in coding.chain],
    }
