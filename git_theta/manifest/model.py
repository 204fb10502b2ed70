"""A manifest as a value: identity (what a part is) apart from storage (where its bytes are).

Named tuples, here and wherever a filter passes: importing dataclasses would cost each `git status` 10 ms (L12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


class Storage(NamedTuple):
    """Where and how a part's bytes are stored.

    Attributes:
        update: name of the update that rebuilds the values ("dense", ...).
        serializer: name of the serializer that wrote the payload.
        object: oid of the object that holds the payload.
        bytes: size of that whole object.
        range: (offset, size) of the payload inside a bundle; None when the payload is the whole object.
        extra: keys that a later minor version added; kept, never interpreted.
    """

    update: str
    serializer: str
    object: str
    bytes: int
    range: tuple[int, int] | None = None
    extra: Mapping[str, Any] = _NO_EXTRA

    @property
    def offset(self) -> int:
        return self.range[0] if self.range else 0

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return self.range[1] if self.range else self.bytes


class View(NamedTuple):
    """A further name of an entry's values: dtype and shape, elements to step (None: contiguous), first element."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    offset: int = 0
    extra: Mapping[str, Any] = _NO_EXTRA


class Entry(NamedTuple):
    """One part of a file: a parameter, or a run of bytes that is none (``name`` is None).

    Attributes:
        oid: SHA-256 of the part's bytes as they stand in the file.
        size: how many bytes.
        storage: where they are.
        name, dtype, shape: the parameter's; None, "" and () for a run of bytes.
        views: further names of the same bytes (tied parameters, windows on a shared storage).
        extra: unknown keys, kept.
    """

    oid: str
    size: int
    storage: Storage
    name: str | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()
    views: tuple[View, ...] = ()
    extra: Mapping[str, Any] = _NO_EXTRA


class Manifest(NamedTuple):
    """A checkpoint file: its format, size, frame, and its parts in file order.

    ``frame`` holds the literal bytes between the parts (docs/spec/objects.md), or is None when there are none.
    """

    format: str
    size: int
    entries: tuple[Entry, ...]
    frame: Entry | None = None
    extra: Mapping[str, Any] = _NO_EXTRA

    def parts(self) -> Iterator[Entry]:
        """Everything that has storage: the frame, then the entries."""
        if self.frame is not None:
            yield self.frame
        yield from self.entries

    def parameters(self) -> Iterator[Entry]:
        """The entries that are named tensors."""
        return (entry for entry in self.entries if entry.name is not None)

    def objects(self) -> dict[str, int]:
        """Id to size of every object that restoring needs, in order of first use."""
        return {part.storage.object: part.storage.bytes for part in self.parts()}
