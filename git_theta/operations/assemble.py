"""A settled plan to a manifest: parameters from the heads and from strategies, around the frame of the template."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from git_theta import parameters, registry
from git_theta.errors import ConflictError, FormatError
from git_theta.formats.base import Format, Part, Span, Template
from git_theta.formats.base import View as SpanView
from git_theta.manifest.model import Entry, Manifest, View
from git_theta.merging.plan import Plan
from git_theta.operations.content import Stream
from git_theta.operations.desk import Desk
from git_theta.operations.layout import Layout
from git_theta.operations.presence import require
from git_theta.operations.restore import runs_of
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec, fits

_TAKE_A_SIDE = "Take the file from one side: git checkout --ours, or --theirs; then git add."
_LARGEST = 64 << 20
"""Bytes of a file that are no tensor's, up to which they can be rebuilt in memory."""


def assemble(made: Plan, computed: Mapping[str, Entry], desk: Desk) -> Manifest:
    """The merged file.

    Args:
        made: a plan; what is still contested is as the first head has it.
        computed: entries that strategies made, by name.
        desk: what to work with.

    No tensor is read that was not computed, unless its format writes checksums that no head declares. Raises
    ConflictError when no file can hold these parameters.
    """
    like = made.manifest(made.like)
    if made.whole:
        return like
    entries = _entries(made, computed)
    for there in (like, *made.heads):
        if made.exact and _framing(there) == _framing(like) and _oids(entries) == _oids(there.parameters()):
            return there
    reader: Format = registry.load("formats", like.format)()
    checksum = _Checksums(made, reader, desk)
    parts = [_part(entry, partial(checksum.of, entry)) for entry in entries]
    try:
        runs = reader.build(parts, template(like, desk))
    except FormatError as error:
        raise ConflictError(
            f"the merged parameters fit no {like.format} file: {error.message}",
            hint=_TAKE_A_SIDE,
            parameter=error.parameter,
        ) from error
    layout = Layout(desk, like)
    for run, entry in zip(runs, entries, strict=False):
        layout.between(Stream.of([run]), None)
        layout.keep(entry)
    layout.between(Stream.of(runs[-1:]), None)
    return layout.manifest(like.format)


def template(manifest: Manifest, desk: Desk) -> Template:
    """A stored file as formats build like it: what is no parameter's is read (and fetched), parameters are not.

    Raises ConflictError where that is too much to rebuild in memory, or no file could have such parameters,
    MissingObject, CorruptObject.
    """
    if sum(entry.size for entry in manifest.entries if entry.name is None) > _LARGEST:
        raise ConflictError("too much of the file is no parameter's to rebuild it", hint="Take the file from one side.")
    require((part for part in manifest.parts() if part.name is None), desk)
    runs, spans, offset = [b""], [], 0
    literal = runs_of(manifest, desk)
    for entry in manifest.entries:
        runs[-1] += next(literal)
        if entry.name is None:
            runs[-1] += b"".join(parameters.read(entry, desk.store, map))
            continue
        offset += len(runs[-1])
        spans.append(Span(entry.name, _checked(entry), offset, entry.size, _views(entry)))
        offset += entry.size
        runs.append(b"")
    runs[-1] += next(literal)
    return Template(tuple(runs), tuple(spans))


def _entries(made: Plan, computed: Mapping[str, Entry]) -> list[Entry]:
    held = {
        source: {entry.name: entry for entry in made.manifest(source).parameters()}
        for source in {place.source for place in made.layout}
    }
    return [computed.get(place.name) or held[place.source][place.name] for place in made.layout]


def _oids(entries: Iterable[Entry]) -> list[tuple[str | None, str]]:
    return [(entry.name, entry.oid) for entry in entries]


def _framing(manifest: Manifest) -> tuple[object, ...]:
    """What two files share that differ in parameters' bytes alone."""
    slots = [(part.name, part.oid if part.name is None else "") for part in manifest.entries]
    return manifest.format, manifest.size, manifest.frame and manifest.frame.oid, slots


class _Checksums:
    """CRC-32 of parameters: as a head's own file declares it, or of the bytes."""

    def __init__(self, made: Plan, reader: Format, desk: Desk) -> None:
        self._manifests = [manifest for manifest in (*made.heads, made.base) if manifest]
        self._reader = reader
        self._desk = desk
        self._declared: dict[str, int] | None = None

    def of(self, entry: Entry) -> int:
        """The checksum of an entry's bytes."""
        if self._declared is None:
            self._declared = self._all_declared()
        found = self._declared.get(entry.oid)
        return self._computed(entry) if found is None else found

    def _all_declared(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for manifest in self._manifests:
            declared = self._reader.checksums(template(manifest, self._desk))
            found |= {entry.oid: declared[entry.name] for entry in manifest.parameters() if entry.name in declared}
        return found

    def _computed(self, entry: Entry) -> int:
        checksum = 0
        require([entry], self._desk)
        for piece in parameters.read(entry, self._desk.store, map):
            checksum = zlib.crc32(piece, checksum)
        return checksum


def _part(entry: Entry, crc: Callable[[], int]) -> Part:
    return Part(entry.name or "", _checked(entry), _views(entry), crc)


def _views(entry: Entry) -> tuple[SpanView, ...]:
    return tuple(map(_view, entry.views))


def _view(view: View) -> SpanView:
    return SpanView(view.name, _spec(view.dtype, view.shape), view.stride, view.offset)


def _checked(entry: Entry) -> Spec:
    """The spec of a parameter. Raises ConflictError where no file could have it so."""
    if not fits(entry.dtype, entry.shape, entry.size):
        raise ConflictError(
            f"{entry.size} bytes are not {entry.dtype} {list(entry.shape)}: its manifest was forged or damaged",
            hint=_TAKE_A_SIDE,
            parameter=entry.name or "",
        )
    return _spec(entry.dtype, entry.shape)


def _spec(dtype: str, shape: tuple[int, ...]) -> Spec:
    if dtype not in BY_NAME:
        raise ConflictError(f"the dtype {dtype!r} is none that this release knows", hint=_TAKE_A_SIDE)
    return Spec(BY_NAME[dtype], shape)
