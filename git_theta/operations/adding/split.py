"""A file split into parts: the tensors a format finds, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.formats.base import Part, Span, SpanView
from git_theta.formats.detect import OPAQUE, Detection
from git_theta.manifest.model import Manifest, View
from git_theta.manifest.text import encode_manifest
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.manifest_builder import ManifestBuilder
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.pinned_layout import find_layout
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.streams import RandomAccess, SourceValues


class SplitFile(NamedTuple):
    """What became of a file.

    Attributes:
        text: its manifest.
        is_new: whether the clean cache should have it: all of it is stored, and it was not recalled from there.
        warnings: what a person should know of how it was read.
    """

    text: bytes
    is_new: bool = False
    warnings: Sequence[str] = ()


def split_source(source: RandomAccess, path: str, context: Context, *, keep: bool) -> SplitFile:
    """Split a file, and store what is not known if we shall ``keep`` it.

    What the manifest names is durable then (L5). Whether it is the file that Git adds is for others to prove.
    """
    prior = context.staged_manifest(path)
    known = KnownParts(context, prior, assuming=not keep)
    bases = UpdateBases(partial(context.earlier_manifests, path), context, known)
    found = find_layout(source, path, prior, context)
    manifest, warnings = _lay_out(source, found, context, known, bases), found.warnings
    is_news = found.format == OPAQUE and not found.is_chosen and not (prior and prior.is_opaque)
    if is_news and not warnings and keep:  # once, and not at each
        warnings = ["kept whole, not by parameters: it is of no format that is known here"]
    try:
        text = encode_manifest(manifest)
    except ManifestError as error:  # no manifest can hold its parts
        if found.format == OPAQUE:
            raise
        text = encode_manifest(_lay_out(source, Detection(OPAQUE, ()), context, known, bases))
        warnings = [f"kept whole, not by parameters: {error.message}"]
    return SplitFile(text, not known.has_assumed, [*warnings, *bases.describe_damage()])


def _lay_out(
    source: RandomAccess, found: Detection, context: Context, known: KnownParts, bases: UpdateBases
) -> Manifest:
    with closing(ManifestBuilder(context, known, bases)) as builder:
        end = 0
        for span in found.spans:
            builder.add_literal(source, end, span.offset)
            builder.add_part(label_part(span), SourceValues(span.spec, span.size, source, span.offset))
            end = span.offset + span.size
        builder.add_literal(source, end, source.size)
        return builder.build_manifest(found.format)


def label_part(span: Span | Part) -> PartLabel:
    """What a manifest says of a tensor beside its bytes."""
    return PartLabel(span.name, span.spec.dtype.name, span.spec.shape, tuple(map(_manifest_view, span.views)))


def _manifest_view(view: SpanView) -> View:
    return View(view.name, view.spec.dtype.name, view.spec.shape, view.stride, view.offset)
