"""What a checkpoint is made of, from its manifest: totals, modules, what shares bytes; and metadata, from its frame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, repeat
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Scalar, Span, Template
from git_theta.formats.guarded_format import load_format
from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest, own_bytes, stored_bytes
from git_theta.parameters.value_decoding import read_values
from git_theta.store.base import Store
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

LARGEST_FRAME = 8 << 20
"""Bytes of a frame up to which metadata are looked for: what is parsed takes many times that in memory."""
_MAX_COMPONENTS = 32  # of a name; deeper ones stay together
_MAX_VALUES = 200


class ParameterTotals(NamedTuple):
    """Sums over parameters: how many, their elements, bytes of their values, and how many of each dtype.

    With the bytes ``stored`` for them, and how many of these are their ``own``, and not their update bases'.
    """

    parameters: int
    elements: int
    size: int
    stored: int
    own: int
    dtypes: dict[str, int]


class ModuleNode(NamedTuple):
    """What names have in common: the parameters below it, its own, and the modules in it. "" is the whole."""

    name: str
    entries: tuple[Entry, ...]
    own: tuple[Entry, ...]
    modules: tuple[ModuleNode, ...]


def sum_parameters(entries: Iterable[Entry]) -> ParameterTotals:
    """The sums over some parameters."""
    found = list(entries)
    return ParameterTotals(
        len(found),
        sum(map(element_count, found)),
        sum(entry.size for entry in found),
        stored_bytes(found),
        own_bytes(found),
        dict(Counter(entry.dtype for entry in found)),
    )


def element_count(entry: Entry) -> int:
    """How many elements a parameter has."""
    return math.prod(entry.shape)


def tied_names(entry: Entry) -> list[str]:
    """Its further names: what shares its bytes in the file."""
    return [view.name for view in entry.views if view.name != entry.name]


def find_duplicates(entries: Iterable[Entry]) -> list[tuple[Entry, ...]]:
    """Parameters with the same bytes though the file has them apart: one object of the store serves them."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.size:
            groups.setdefault(entry.oid, []).append(entry)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def module_tree(entries: Sequence[Entry]) -> ModuleNode:
    """The parameters as a tree, in file order. A module that holds one module and nothing else is joined with it."""
    return _build_module("", [((entry.name or "").split(".", _MAX_COMPONENTS), entry) for entry in entries])


def _build_module(name: str, named: Sequence[tuple[list[str], Entry]]) -> ModuleNode:
    below: dict[str, list[tuple[list[str], Entry]]] = {}
    for components, entry in named:
        if len(components) > 1:
            below.setdefault(components[0], []).append((components[1:], entry))
    own = tuple([entry for components, entry in named if len(components) == 1])
    inner = tuple([_build_module(first, rest) for first, rest in below.items()])
    if name and not own and len(inner) == 1:
        return inner[0]._replace(name=f"{name}.{inner[0].name}")
    return ModuleNode(name, tuple([entry for _, entry in named]), own, inner)


def read_metadata(manifest: Manifest, store: Store) -> dict[str, Scalar]:
    """What a file says beside its parameters, as its format reads it (``Format.metadata``): the first 200 values.

    Nothing for frames over LARGEST_FRAME bytes, and for frames that the format cannot read. Raises MissingObject,
    CorruptObject where the frame's object cannot be read, PluginError where the format is not here or fails.
    """
    if not _has_readable_frame(manifest):
        return {}
    with suppress(FormatError):
        return dict(islice(load_format(manifest.format).metadata(_read_frame(manifest, store)), _MAX_VALUES))
    return {}


def list_framed_values(manifest: Manifest, store: Store) -> dict[str, str]:
    """What a file holds beside its parameters that may be weights, by key, in words: no plain values, no tensors.

    Such values are merged whole, by their keys. Nothing for frames of more than LARGEST_FRAME bytes, and for those that
    the format does not tell apart. Raises as ``read_metadata`` does.
    """
    if not _has_readable_frame(manifest):
        return {}
    with suppress(FormatError):
        facts = load_format(manifest.format).read_facts(_read_frame(manifest, store)) or {}
        framed = ((key, fact.text) for key, fact in facts.items() if not fact.plain and not fact.tensor)
        return dict(islice(framed, _MAX_VALUES))
    return {}


def _has_readable_frame(manifest: Manifest) -> bool:
    """Whether there is a frame, not too large: a long header is parts without names, besides."""
    unnamed = sum(part.size for part in manifest.parts() if part.name is None)
    return not manifest.is_opaque and 0 < unnamed <= LARGEST_FRAME


def _read_frame(manifest: Manifest, store: Store) -> Template:
    """The file without its parameters, all of which have their places."""
    runs, spans, offset = [b""], list[Span](), 0
    literal = _read_runs(manifest, store)
    for entry in manifest.entries:
        runs[-1] += next(literal)
        if entry.name is None:
            runs[-1] += b"".join(read_values(entry, store, map))
        else:
            offset += len(runs[-1])
            spans.append(Span(entry.name, _spec_of(entry), offset, entry.size))
            offset += entry.size
            runs.append(b"")
    return Template((*runs[:-1], runs[-1] + next(literal)), tuple(spans))


def _read_runs(manifest: Manifest, store: Store) -> Iterator[bytes]:
    """The literal bytes before each part, and after the last: none where every byte is a part's."""
    parts = len(manifest.entries)
    if manifest.frame is None:
        return repeat(b"", parts + 1)
    return iter(frame.decode_frame(b"".join(read_values(manifest.frame, store, map)), parts))


def _spec_of(entry: Entry) -> Spec:
    known = BY_NAME.get(entry.dtype)
    return Spec(known, entry.shape) if known else Spec(BY_NAME["U8"], (entry.size,))
