"""A settled plan to a manifest: parameters from the heads and from strategies, around the frame of the template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from git_theta.errors import ConflictError, FormatError, PluginError
from git_theta.formats.base import Part, Template
from git_theta.formats.building import build_file, read_checksums
from git_theta.formats.guarded_format import GuardedFormat, load_format
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.planning.plan import Plan
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.manifest_builder import ManifestBuilder
from git_theta.operations.context import Context
from git_theta.operations.streams import BytesSource
from git_theta.operations.templates import TAKE_A_SIDE, part_of, read_template


def assemble_manifest(
    made: Plan, computed: Mapping[str, Entry], context: Context, template: Template | None = None
) -> Manifest:
    """The merged file.

    Args:
        made: a plan; what is still contested is as the first head has it.
        computed: entries that strategies made, by name.
        context: what to work with.
        template: the file to build like, where no head has its frame; by default that of the plan.

    No tensor is read that was not computed, unless its format writes checksums that no head declares. Raises
    ConflictError when no file can hold these parameters.
    """
    like = made.manifest(made.like)
    if made.whole:
        return like
    entries = merged_entries(made, computed)
    for there in (like, *made.heads):
        if made.exact and template is None and _has_layout(there, like) and _has_values(there.parameters(), entries):
            return there
    known = [manifest for manifest in (*made.heads, made.base) if manifest]
    return assemble_file(like, entries, known, context, template)


def merged_entries(made: Plan, computed: Mapping[str, Entry]) -> list[Entry]:
    """The parameters of a settled plan, in its layout's order; ``computed`` has those that strategies made, by name."""
    held = {
        source: {entry.name: entry for entry in made.manifest(source).parameters()}
        for source in {place.source for place in made.layout}
    }
    return [computed.get(place.name) or held[place.source][place.name] for place in made.layout]


def assemble_file(
    like: Manifest,
    entries: Sequence[Entry],
    known: Sequence[Manifest],
    context: Context,
    template: Template | None = None,
) -> Manifest:
    """A file with these parameters, in this order, built like another one.

    Args:
        like: the file to build like.
        entries: the parameters.
        known: files that may declare checksums of theirs.
        context: what to work with.
        template: that of ``like``, where it was changed.

    Raises ConflictError when no file can hold these parameters.
    """
    reader = load_format(like.format)
    declared = _DeclaredChecksums(known, entries, reader, context)
    parts = [part_of(entry, context) for entry in entries]
    try:
        runs = build_file(reader, parts, template or read_template(like, context), declared.find)
    except FormatError as error:
        raise ConflictError(
            f"the merged parameters fit no {like.format} file: {error.message}",
            hint=TAKE_A_SIDE,
            parameter=error.parameter,
        ) from error
    except PluginError as error:
        raise ConflictError(error.message, hint=f"{error.hint} {TAKE_A_SIDE}") from error
    layout = ManifestBuilder(context, KnownParts(context, like))
    for run, entry in zip(runs, entries, strict=False):
        layout.add_literal(BytesSource(run), 0, len(run))
        layout.add_stored(entry)
    layout.add_literal(BytesSource(runs[-1]), 0, len(runs[-1]))
    return layout.build_manifest(like.format)


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


class _DeclaredChecksums:
    """Checksums that a head's own file declares: known for values that were taken over as they are."""

    def __init__(
        self, known: Sequence[Manifest], entries: Iterable[Entry], reader: GuardedFormat, context: Context
    ) -> None:
        self._manifests = known
        self._oids = {entry.name: entry.oid for entry in entries}
        self._reader = reader
        self._context = context
        self._declared: dict[tuple[str, str], bytes] | None = None

    def find(self, part: Part, name: str) -> bytes | None:
        """As ``formats.building.Declare`` says."""
        if self._declared is None:
            self._declared = self._read_declared()
        return self._declared.get((self._oids[part.name], name))

    def _read_declared(self) -> dict[tuple[str, str], bytes]:
        found: dict[tuple[str, str], bytes] = {}
        for manifest in self._manifests:
            declared = read_checksums(self._reader, read_template(manifest, self._context))
            oids = {entry.name: entry.oid for entry in manifest.parameters()}
            found |= {(oids[span], name): checksum for (span, name), checksum in declared.items()}
        return found
