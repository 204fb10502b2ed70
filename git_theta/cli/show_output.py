"""What a checkpoint is made of, in lines: its format, its parameters, how they are stored, what its frame says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from git_theta.diffing.render.colors import choose_palette, paint
from git_theta.diffing.render.formatting import format_magnitude
from git_theta.formats.base import Scalar
from git_theta.manifest.model import DENSE, Entry
from git_theta.operations.keeping.summary import find_duplicates, sum_parameters, tied_names
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion
from git_theta.words import escape_unprintable, humanize_size, pluralize

_MAX_VALUE_LENGTH = 100  # characters of a metadata value
_MAX_LISTED = 10  # ties, values

Metadata = Mapping[str, Scalar] | str
"""What the frame says; or why it could not be read."""


def render_head(
    found: CheckpointVersion,
    chosen: Sequence[Entry],
    facts: Sequence[Metadata],
    framed: Mapping[str, str],
    *,
    color: bool,
) -> Iterator[str]:
    """What is said above the table.

    Args:
        found: the version.
        chosen: the parameters that are shown of it.
        facts: of each file, what its frame says.
        framed: values of the frames that are kept whole, by key.
        color: whether the terminal has it.
    """
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
    yield from _summarise_dtypes(chosen)
    yield "stored", _describe_storage(_stored_parts(found, chosen))
    yield from _title_lines("", list(_describe_updates(chosen)))
    yield from _title_lines(
        "shared", [" = ".join(escape_unprintable(one.name or "") for one in group) for group in find_duplicates(chosen)]
    )
    tied = [[entry.name or "", *tied_names(entry)] for entry in chosen if tied_names(entry)]
    yield from _title_lines("tied", [" = ".join(map(escape_unprintable, names)) for names in tied])
    lines = dict.fromkeys(line for fact in facts for line in _render_metadata(fact))  # shards repeat each other
    yield from _title_lines("metadata", list(lines))


def _summarise_dtypes(chosen: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    dtypes = sum_parameters(chosen).dtypes
    for title, (dtype, number) in zip(["dtypes", *[""] * len(dtypes)], dtypes.items(), strict=False):
        same = sum_parameters(entry for entry in chosen if entry.dtype == dtype)
        yield title, f"{escape_unprintable(dtype)}: {pluralize(number, 'parameter')}, {humanize_size(same.size)}"


def _describe_storage(stored: Sequence[Entry]) -> str:
    """How much it takes, in how many objects; and how much of that is its own, where the rest is update bases'."""
    sums, objects = sum_parameters(stored), {oid for entry in stored for oid in entry.storage.objects()}
    own = f", {humanize_size(sums.own)} of it its own" if sums.own != sums.stored else ""
    return f"{humanize_size(sums.stored)} in {pluralize(len(objects), 'object')}{own}"


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
