"""Stored files as formats build like them: what is no parameter's is read, parameters are not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from git_theta.errors import ConflictError, FormatError, PluginError
from git_theta.formats.base import Part, Span, SpanView, Template
from git_theta.formats.building import cut_derived
from git_theta.formats.guarded_format import GuardedFormat, load_format
from git_theta.formats.template import place_parts
from git_theta.manifest.model import Entry, Manifest, View
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import read_runs
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.arrays import Buffer
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
            runs[-1] += b"".join(read_values(entry, context.store, map))
            continue
        offset += len(runs[-1])
        spans.append(Span(entry.name, checked_spec(entry), offset, entry.size, span_views(entry)))
        offset += entry.size
        runs.append(b"")
    runs[-1] += next(literal)
    return Template(tuple(runs), tuple(spans))


def is_same_frame(after: Manifest, before: Manifest, context: Context) -> bool:
    """Whether a file is just what becomes of another one when its parameters change.

    Raises PluginError without the format, and what reading the frames raises (``read_template``).
    """
    if after.format != before.format:
        return False
    return is_rebuilt_from(after, read_template(before, context), load_format(after.format), context)


def is_rebuilt_from(head: Manifest, base: Template, reader: GuardedFormat, context: Context) -> bool:
    """Whether a file is just what becomes of the base when its parameters change, but for what its writer derived.

    No parameter is read. Raises what reading the head's frame raises (``read_template``); ConflictError where the
    format's code fails.
    """
    parts = [part_of(entry, context) for entry in head.parameters()]
    try:
        built = place_parts(reader.build(parts, base), parts)
        return cut_derived(reader, built) == cut_derived(reader, read_template(head, context))
    except FormatError:
        return False
    except PluginError as error:
        raise ConflictError(error.message, hint=f"{error.hint} {TAKE_A_SIDE}") from error


def part_of(entry: Entry, context: Context) -> Part:
    """A parameter as formats build files of it. Raises ConflictError where no file could have it so."""
    spec = checked_spec(entry)
    return Part(entry.name or "", spec, span_views(entry), _StoredValues(entry, spec, context))


class _StoredValues:
    """A parameter's values, fetched and read each time they are asked for (``tensors.values.Values``)."""

    __slots__ = ("_context", "_entry", "size", "spec")

    def __init__(self, entry: Entry, spec: Spec, context: Context) -> None:
        self.spec = spec
        self.size = entry.size
        self._entry = entry
        self._context = context

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says. Raises MissingObject, CorruptObject."""
        require_entries([self._entry], self._context)
        return islice(read_values(self._entry, self._context.store, map), first, None)


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
