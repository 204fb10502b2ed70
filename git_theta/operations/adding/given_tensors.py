"""A checkpoint made of tensors that somebody holds: no file is written, and nothing is stored twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from operator import eq

from git_theta.errors import FormatError, UsageError
from git_theta.formats.base import Part, Span, Template
from git_theta.formats.building import build_file
from git_theta.formats.guarded_format import load_format
from git_theta.formats.safetensors.safetensors_header import frame_header
from git_theta.manifest.model import Manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.manifest_builder import ManifestBuilder
from git_theta.operations.adding.split import label_part
from git_theta.operations.context import Context
from git_theta.operations.streams import BytesSource
from git_theta.operations.templates import read_template
from git_theta.tensors.values import MemoryValues

NEW_FORMAT, NEW_ENDING = "safetensors", ".safetensors"
"""What a file is made as that is like no other, and how it has to be called."""
_NEW_HEADER = '{"__metadata__":{"format":"pt"}}'
"""transformers loads no file that does not say so."""


def build_checkpoint(given: Mapping[str, MemoryValues], path: str, like: Manifest | None, context: Context) -> Manifest:
    """The manifest of a file with exactly these tensors; all that it names is durable (L5).

    Args:
        given: the values by name.
        path: what the file is called.
        like: a stored file to build like: its format, metadata and order; None for a new safetensors file. Parts that
            are its own keep their entries, to the letter (L2).
        context: what to work with.

    Raises:
        UsageError: no such file can hold them, or there is none to build like.
        ConflictError, MissingObject, CorruptObject: the file to build like cannot be read.
    """
    if like is None and not path.endswith(NEW_ENDING):
        raise UsageError(
            "only safetensors files are made from nothing", hint="Name a version to build like: like='main'.", path=path
        )
    if like is not None and like.is_opaque:
        raise UsageError(
            "the file to build like is kept whole: no format reads it",
            hint="Name another version: like='main~1'.",
            path=path,
        )
    template = read_template(like, context) if like else Template((frame_header(_NEW_HEADER),), ())
    reader = load_format(like.format if like else NEW_FORMAT)
    parts = list(_arrange_parts(given, template.spans))
    try:
        runs = build_file(reader, parts, template)
    except FormatError as error:
        hint = "Save such a file with its own framework, and add it: git add"
        raise UsageError(
            f"no {reader.name} file can hold these tensors: {error.message}",
            hint=hint,
            path=path,
            parameter=error.parameter,
        ) from error
    return _store_file(runs, parts, reader.name, KnownParts(context, like), context)


def _store_file(
    runs: Sequence[bytes], parts: Sequence[Part], format_name: str, known: KnownParts, context: Context
) -> Manifest:
    with closing(ManifestBuilder(context, known)) as builder:
        for run, part in zip(runs, parts, strict=False):
            builder.add_literal(BytesSource(run), 0, len(run))
            builder.add_part(label_part(part), part.values)
        builder.add_literal(BytesSource(runs[-1]), 0, len(runs[-1]))
        return builder.build_manifest(format_name)


def _arrange_parts(given: Mapping[str, MemoryValues], spans: Sequence[Span]) -> Iterator[Part]:
    """The tensors in the order of the spans, then what is new. Names that are tied stay tied while they are equal."""
    done: set[str] = set()
    for span in spans:
        ties = [view for view in span.views if view.name != span.name]
        named = [name for name in (span.name, *(view.name for view in ties)) if name in given]
        if any(view.stride is not None or view.offset or view.spec != span.spec for view in span.views):
            raise UsageError(
                "it is a window on a storage that others share: such a file cannot be made of tensors",
                hint="Save it with its own framework, and add it: git add",
                parameter=span.name,
            )
        if ties and len(named) == len(ties) + 1 and _are_equal([given[name] for name in named]):
            yield Part(span.name, given[span.name].spec, span.views, given[span.name])
        else:
            yield from (Part(name, given[name].spec, (), given[name]) for name in named)
        done.update(named)
    new = [name for name in given if name not in done]
    # As the library of safetensors orders them: what is larger comes first, so that all are aligned.
    for name in sorted(new, key=lambda name: (-given[name].spec.dtype.bits, name)):
        yield Part(name, given[name].spec, (), given[name])


def _are_equal(values: Sequence[MemoryValues]) -> bool:
    """Whether they are the same tensor, in spec and bytes."""
    first, *others = values
    return all(other.spec == first.spec and all(map(eq, first.blocks(), other.blocks())) for other in others)
