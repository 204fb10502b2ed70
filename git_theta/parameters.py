"""Bytes of a part to storage, and storage to bytes: the one place where updates, serializers and the store meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

from git_theta.errors import CorruptObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.serializers.base import SERIALIZERS, Payload
from git_theta.store.base import ObjectReader
from git_theta.tensors.arrays import BLOCK, Buffer, Parallel
from git_theta.tensors.digest import Digest
from git_theta.updates.base import UPDATES

WORTHWHILE_SHARE = 0.98
"""A serializer that keeps more than this share of a sample is not worth its time; raw is."""


def blocks_of(data: Buffer) -> Iterator[memoryview]:
    """``data`` cut into blocks."""
    view = memoryview(data)
    return (view[start : start + BLOCK] for start in range(0, len(view), BLOCK))


def encode_values(stream: Iterable[Buffer], width: int, parallel: Parallel) -> tuple[str, Iterator[Buffer]]:
    """The serializer that suits a part, and the part's payload piece by piece.

    Args:
        stream: the part's bytes in pieces of BLOCK bytes, the last one shorter.
        width: bytes per number.
        parallel: how to map over blocks.

    The first block is the sample that decides, so the choice depends on the bytes alone.
    """
    pieces = iter(stream)
    first = next(pieces, b"")
    dense, planes = UPDATES.load_plugin("dense"), SERIALIZERS.load_plugin("planes")
    sample = list(planes.encode([dense.encode(first, width)], map))
    rest = (dense.encode(piece, width) for piece in pieces)
    if sum(map(len, sample)) < WORTHWHILE_SHARE * len(first):
        return planes.name, chain(sample, planes.encode(rest, parallel))
    raw = SERIALIZERS.load_plugin("raw")
    return raw.name, chain([first], raw.encode(rest, parallel))


def read_values(entry: Entry, store: ObjectReader, parallel: Parallel) -> Iterator[Buffer]:
    """The part's bytes in pieces, verified: what follows the last piece is CorruptObject if they are not the entry's.

    Raises MissingObject, CorruptObject, PluginError; each says which parameter.
    """
    try:
        # Where blocks are not handed to threads, ours is one of several that read: one more would be in their way.
        with Digest(0 if parallel is map else entry.size) as digest:
            for piece in _decode_values(entry, store, parallel):
                digest.update(piece)
                if digest.size > entry.size:
                    break
                yield piece
            intact = digest.size == entry.size and digest.oid() == entry.oid
        if not intact:
            raise CorruptObject("")
    except CorruptObject as error:
        reason = f": {error.message}" if error.message else ""
        raise CorruptObject(
            f"object {entry.storage.place.object} does not hold these values any more{reason}",
            hint="See what is damaged: git theta fsck. Fetch a good copy, or restore it from a backup.",
            parameter=entry.name or "",
        ) from error
    except ThetaError as error:
        raise error.add_location(parameter=entry.name or "") from error.__cause__


def _decode_values(entry: Entry, store: ObjectReader, parallel: Parallel) -> Iterator[Buffer]:
    coding, place, _ = entry.storage
    update, serializer = UPDATES.load_plugin(coding.update), SERIALIZERS.load_plugin(coding.serializer)

    with closing(store.get(place.object)) as file:
        file.seek(place.offset)
        blocks = serializer.decode(Payload(file, place.size), parallel)
        arrays = SERIALIZERS.guard_iterator(serializer.name, blocks)
        yield from UPDATES.guard_iterator(update.name, map(update.decode, arrays))
