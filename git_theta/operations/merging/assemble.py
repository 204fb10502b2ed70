"""A settled plan to a manifest: parameters from the heads and from strategies, around the frame of the template."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import zip_longest

from git_theta import parameters, registry
from git_theta.errors import ConflictError, FormatError
from git_theta.formats.base import Format, Part
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.plan import Plan
from git_theta.operations.adding.manifest_builder import ManifestBuilder
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.streams import Stream
from git_theta.operations.templates import TAKE_A_SIDE, checked_spec, read_template, span_views


def assemble_manifest(made: Plan, computed: Mapping[str, Entry], context: Context) -> Manifest:
    """The merged file.

    Args:
        made: a plan; what is still contested is as the first head has it.
        computed: entries that strategies made, by name.
        context: what to work with.

    No tensor is read that was not computed, unless its format writes checksums that no head declares. Raises
    ConflictError when no file can hold these parameters.
    """
    like = made.manifest(made.like)
    if made.whole:
        return like
    entries = _merged_entries(made, computed)
    for there in (like, *made.heads):
        if made.exact and _has_layout(there, like) and _has_values(there.parameters(), entries):
            return there
    reader: Format = registry.load_plugin("formats", like.format)()
    checksum = _Checksums(made, reader, context)
    parts = [_part_of(entry, partial(checksum.checksum_of, entry)) for entry in entries]
    try:
        runs = reader.build(parts, read_template(like, context))
    except FormatError as error:
        raise ConflictError(
            f"the merged parameters fit no {like.format} file: {error.message}",
            hint=TAKE_A_SIDE,
            parameter=error.parameter,
        ) from error
    layout = ManifestBuilder(context, like)
    for run, entry in zip(runs, entries, strict=False):
        layout.add_literal(Stream.from_pieces([run]), None)
        layout.add_stored(entry)
    layout.add_literal(Stream.from_pieces(runs[-1:]), None)
    return layout.build_manifest(like.format)


def _merged_entries(made: Plan, computed: Mapping[str, Entry]) -> list[Entry]:
    held = {
        source: {entry.name: entry for entry in made.manifest(source).parameters()}
        for source in {place.source for place in made.layout}
    }
    return [computed.get(place.name) or held[place.source][place.name] for place in made.layout]


def _has_values(some: Iterable[Entry], others: Iterable[Entry]) -> bool:
    """Whether they are parameters of the same names and bytes, in the same order."""
    return all(
        one and other and (one.name, one.oid) == (other.name, other.oid) for one, other in zip_longest(some, others)
    )


def _has_layout(there: Manifest, like: Manifest) -> bool:
    """Whether two files differ in parameters' bytes alone."""
    return (there.format, there.size, there.frame and there.frame.oid) == (
        like.format,
        like.size,
        like.frame and like.frame.oid,
    ) and all(
        one and other and one.name == other.name and (one.name is not None or one.oid == other.oid)
        for one, other in zip_longest(there.entries, like.entries)
    )


class _Checksums:
    """CRC-32 of parameters: as a head's own file declares it, or of the bytes."""

    def __init__(self, made: Plan, reader: Format, context: Context) -> None:
        self._manifests = [manifest for manifest in (*made.heads, made.base) if manifest]
        self._reader = reader
        self._context = context
        self._declared: dict[str, int] | None = None

    def checksum_of(self, entry: Entry) -> int:
        """The checksum of an entry's bytes."""
        if self._declared is None:
            self._declared = self._read_declared()
        found = self._declared.get(entry.oid)
        return self._compute_checksum(entry) if found is None else found

    def _read_declared(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for manifest in self._manifests:
            declared = self._reader.checksums(read_template(manifest, self._context))
            found |= {entry.oid: declared[entry.name] for entry in manifest.parameters() if entry.name in declared}
        return found

    def _compute_checksum(self, entry: Entry) -> int:
        checksum = 0
        require_entries([entry], self._context)
        for piece in parameters.read_values(entry, self._context.store, map):
            checksum = zlib.crc32(piece, checksum)
        return checksum


def _part_of(entry: Entry, crc: Callable[[], int]) -> Part:
    return Part(entry.name or "", checked_spec(entry), span_views(entry), crc)
