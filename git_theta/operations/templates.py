"""Stored files as formats build like them: what is no parameter's is read, parameters are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from git_theta import parameters, registry
from git_theta.errors import ConflictError, FormatError
from git_theta.formats.base import Format, Part, Span, Template
from git_theta.formats.base import SpanView as SpanView
from git_theta.manifest.model import Entry, Manifest, View
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import read_runs
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec, spec_fits

TAKE_A_SIDE = "Take the file from one side: git checkout --ours, or --theirs; then git add."
_LARGEST = 64 << 20
"""Bytes of a file that are no tensor's, up to which they can be rebuilt in memory."""


def read_template(manifest: Manifest, context: Context) -> Template:
    """A stored file as formats build like it: what is no parameter's is read (and fetched), parameters are not.

    Raises ConflictError where that is too much to rebuild in memory, or no file could have such parameters,
    MissingObject, CorruptObject.
    """
    if sum(entry.size for entry in manifest.entries if entry.name is None) > _LARGEST:
        raise ConflictError("too much of the file is no parameter's to rebuild it", hint="Take the file from one side.")
    require_entries((part for part in manifest.parts() if part.name is None), context)
    runs, spans, offset = [b""], [], 0
    literal = read_runs(manifest, context)
    for entry in manifest.entries:
        runs[-1] += next(literal)
        if entry.name is None:
            runs[-1] += b"".join(parameters.read_values(entry, context.store, map))
            continue
        offset += len(runs[-1])
        spans.append(Span(entry.name, checked_spec(entry), offset, entry.size, span_views(entry)))
        offset += entry.size
        runs.append(b"")
    runs[-1] += next(literal)
    return Template(tuple(runs), tuple(spans))


def is_same_frame(after: Manifest, before: Manifest, context: Context) -> bool:
    """Whether a file is just what becomes of another one when its parameters change.

    Raises PluginError without the format, and what reading the frames raises (``template``).
    """
    if after.format != before.format:
        return False
    reader: Format = registry.load_plugin("formats", after.format)()
    return is_rebuilt_from(read_template(after, context), read_template(before, context), reader)


def _declared_checksum(checksums: Mapping[str, int], name: str) -> int:
    return checksums.get(name, 0)


def is_rebuilt_from(head: Template, base: Template, reader: Format) -> bool:
    """Whether a file is just what becomes of the base when its parameters change."""
    declared = reader.checksums(head)
    parts = [
        Part(span.name, span.spec, span.views, partial(_declared_checksum, declared, span.name)) for span in head.spans
    ]
    try:
        built = _rebuilt_template(reader.build(parts, base), head.spans)
        return reader.comparable_runs(built) == reader.comparable_runs(head)
    except FormatError:
        return False


def _rebuilt_template(runs: Sequence[bytes], spans: Sequence[Span]) -> Template:
    """What was built, with its spans where they are now."""
    placed, offset = [], 0
    for run, span in zip(runs, spans, strict=False):
        offset += len(run)
        placed.append(span._replace(offset=offset))
        offset += span.size
    return Template(tuple(runs), tuple(placed))


def span_views(entry: Entry) -> tuple[SpanView, ...]:
    """The further names of a parameter, as formats have them."""
    return tuple(map(_span_view, entry.views))


def _span_view(view: View) -> SpanView:
    return SpanView(view.name, _spec_of(view.dtype, view.shape), view.stride, view.offset)


def checked_spec(entry: Entry) -> Spec:
    """The spec of a parameter. Raises ConflictError where no file could have it so."""
    if not spec_fits(entry.dtype, entry.shape, entry.size):
        raise ConflictError(
            f"{entry.size} bytes are not {entry.dtype} {list(entry.shape)}: its manifest was forged or damaged",
            hint=TAKE_A_SIDE,
            parameter=entry.name or "",
        )
    return _spec_of(entry.dtype, entry.shape)


def _spec_of(dtype: str, shape: tuple[int, ...]) -> Spec:
    if dtype not in BY_NAME:
        raise ConflictError(f"the dtype {dtype!r} is none that this release knows", hint=TAKE_A_SIDE)
    return Spec(BY_NAME[dtype], shape)
