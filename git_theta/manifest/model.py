"""A manifest as a value: identity (what a part is) apart from storage (where its bytes are).

Named tuples, here and wherever a filter passes: importing dataclasses would cost each `git status` 10 ms (L12).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


class Place(NamedTuple):
    """Where a payload is: in one object, or in a series of objects, one after the other, where it is large.

    Attributes:
        object: oid of the object that holds the payload; of a series, the first.
        bytes: size of that whole object.
        range: (offset, size) of the payload inside a bundle; None when the payload is all of the objects.
        rest: oid and size of each further object of a series.
    """

    object: str
    bytes: int
    range: tuple[int, int] | None = None
    rest: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of_objects(cls, objects: Iterable[tuple[str, int]]) -> Self:
        """The place of a payload that is all of these objects, given by oid and size: at least one."""
        (oid, size), *rest = objects
        return cls(oid, size, None, tuple([(other, further) for other, further in rest]))

    @property
    def offset(self) -> int:
        """Where in the first object the payload starts."""
        return self.range[0] if self.range else 0

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        if self.rest:
            return self.bytes + sum(size for _, size in self.rest)
        return self.range[1] if self.range else self.bytes

    def objects(self) -> tuple[tuple[str, int], ...]:
        """Oid and size of each object that has bytes of the payload, in their order."""
        return ((self.object, self.bytes), *self.rest)

    def stretches(self) -> Iterator[tuple[str, int, int]]:
        """Oid, offset and size of each stretch of an object that is the payload's."""
        if self.rest:
            yield from ((oid, 0, size) for oid, size in self.objects())
        else:
            yield self.object, self.offset, self.size


DENSE = "dense"
"""The update that stores the values themselves, and builds on nothing."""


class Coding(NamedTuple):
    """How a payload becomes values.

    Attributes:
        update: name of the update that rebuilds the values ("dense", ...).
        serializer: name of the serializer that wrote the payload.
        options: what the update was told when it stored the values, and must be told again.
        chain: the update base, and what it builds on itself, root first; () for an update without a base.
    """

    update: str
    serializer: str
    options: Mapping[str, Any] = _NO_EXTRA
    chain: tuple[UpdateBase, ...] = ()


class UpdateBase(NamedTuple):
    """A link of a chain: a tensor that updates build on, and how it is rebuilt, without any other manifest (L4).

    Attributes:
        oid, size, dtype, shape: the identity of the values, as of an entry.
        coding: how its payload becomes values, relative to the link before it. Its own ``chain`` is always ().
        place: where its payload is.
        extra: unknown keys, kept.
    """

    oid: str
    size: int
    dtype: str
    shape: tuple[int, ...]
    coding: Coding
    place: Place
    extra: Mapping[str, Any] = _NO_EXTRA


class Storage(NamedTuple):
    """How and where a part's bytes are stored.

    What a part needs is asked of ``objects``, ``places`` and ``bases``: its own payload is not all where there is a
    chain, and may be in several objects.

    Attributes:
        extra: keys that a later minor version added; kept, never interpreted.
    """

    coding: Coding
    place: Place
    extra: Mapping[str, Any] = _NO_EXTRA

    def places(self) -> Iterator[Place]:
        """Where everything is that rebuilding the values needs: update bases first, root before all."""
        for link in self.coding.chain:
            yield link.place
        yield self.place

    def objects(self) -> dict[str, int]:
        """Id to size of every object that rebuilding the values needs."""
        return dict(pair for place in self.places() for pair in place.objects())

    def stretches(self) -> Iterator[tuple[str, int, int]]:
        """What rebuilding the values reads: oid, offset and size of each stretch of an object."""
        for place in self.places():
            yield from place.stretches()

    def bases(self) -> Iterator[Entry]:
        """The update bases as parts without a name, root first: the last one is what the update builds on."""
        chain = self.coding.chain
        for at, link in enumerate(chain):
            coding = link.coding._replace(chain=chain[:at])
            yield Entry(link.oid, link.size, Storage(coding, link.place), None, link.dtype, link.shape)


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
        storage: how and where they are stored.
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


def stored_bytes(parts: Iterable[Entry]) -> int:
    """Bytes of the store that parts are rebuilt from, those of their update bases among them; what several share, once.

    The bytes *stored* for parts, whoever says it: ``own_bytes`` are those without the bases.
    """
    return _sum_stretches(stretch for part in parts for stretch in part.storage.stretches())


def own_bytes(parts: Iterable[Entry]) -> int:
    """Bytes of the payloads of parts, without those of their update bases; what several share, once."""
    return _sum_stretches(stretch for part in parts for stretch in part.storage.place.stretches())


def _sum_stretches(stretches: Iterable[tuple[str, int, int]]) -> int:
    return sum(size for _, _, size in set(stretches))


def storage_keys(oid: str, dtype: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """Under which keys a storage may be kept that gives this part back, the one that was made for its kind first.

    Values that are stored dense are bytes, and serve whatever has these. Any other update is told the dtype and shape
    of what it gives back, and its payload is nothing without them.
    """
    return f"{oid} {dtype} {','.join(map(str, shape))}", oid


def storage_key(oid: str, dtype: str, shape: tuple[int, ...], coding: Coding) -> str:
    """The one of ``storage_keys`` that a part's storage is kept under."""
    return storage_keys(oid, dtype, shape)[coding.update == DENSE]


_OPAQUE = "opaque"
_PLACE = re.compile(r"#\d+(?:\.|$)")


class Manifest(NamedTuple):
    """A checkpoint file: its format, size, frame, and its parts in file order.

    ``frame`` holds the literal bytes between the parts (docs/spec/objects.md), or is None when there are none.
    """

    format: str
    size: int
    entries: tuple[Entry, ...]
    frame: Entry | None = None
    extra: Mapping[str, Any] = _NO_EXTRA

    @property
    def is_opaque(self) -> bool:
        """Whether the file is kept whole, since no format read it: it has no parameters, only pieces."""
        return self.format == _OPAQUE

    @property
    def is_positional(self) -> bool:
        """Whether tensors have no names in the file: they are called by their places, ``#0``, ``#1.weight``."""
        return any(_PLACE.match(entry.name) for entry in self.entries if entry.name)

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
        return dict(pair for part in self.parts() for place in part.storage.places() for pair in place.objects())
