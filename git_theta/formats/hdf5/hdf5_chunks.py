"""The chunks of a dataset that is cut into some: where each stands, by a B-tree of version 1, which h5py writes.

All chunks of a dataset have one shape; those at its edges are filled up. One that was never written is not there.
Source: HDF5 File Format Specification 3.0, sections III.A.1 (B-trees, nodes of type 1) and IV.A.2.i (data layout).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.hdf5.hdf5_reader import Hdf5Reader
from git_theta.tensors.spec import Spec

_HEAD = 8
_CHUNK_NODE = b"TREE\1"
_MAX_DEPTH = 64
_MAX_CHUNKS = 10_000
_SMALLEST = 4096
"""Bytes below which chunks are not worth a name each. h5py chooses 8 KiB to 1 MiB, where it is not told."""


class DatasetChunk(NamedTuple):
    """A chunk: its place among the chunks in each dimension, and where its bytes begin."""

    place: tuple[int, ...]
    offset: int


class ChunkLayout(NamedTuple):
    """What the layout message of a dataset in chunks says.

    Attributes:
        spec: of each chunk.
        tree: the address of the B-tree; None where no chunk was written.
    """

    spec: Spec
    tree: int | None


def parse_chunk_layout(reader: Hdf5Reader, spec: Spec, body: bytes) -> ChunkLayout | None:
    """The layout, of version 3; None where its chunks are not of the dataset's elements and dimensions."""
    at = 3 + reader.offset_size
    count = body[2]
    if len(body) < at + 4 * count or count != len(spec.shape) + 1:
        return None
    *shape, width = struct.unpack_from(f"<{count}L", body, at)
    if width * 8 != spec.dtype.bits or not all(shape):
        return None
    return ChunkLayout(Spec(spec.dtype, tuple(shape)), reader.parse_offset(body, 3))


def read_chunks(reader: Hdf5Reader, layout: ChunkLayout) -> list[DatasetChunk] | None:
    """The chunks, in the order of the tree; None where one of them is not stored as it is, or they are many or small.

    Raises FormatError where the tree is damaged or too deep.
    """
    found: dict[tuple[int, ...], DatasetChunk] = {}
    for chunk in _walk_nodes(reader, layout):
        if chunk is None or len(found) == _MAX_CHUNKS:
            return None
        if found.setdefault(chunk.place, chunk) is not chunk:
            raise FormatError("a dataset has a chunk twice")
    return list(found.values()) if len(found) < 2 or layout.spec.nbytes >= _SMALLEST else None


def _walk_nodes(reader: Hdf5Reader, layout: ChunkLayout) -> Iterator[DatasetChunk | None]:
    waiting = [] if layout.tree is None else [(layout.tree, _MAX_DEPTH)]
    while waiting:
        node, depth = waiting.pop()
        head = reader.read(node, _HEAD)
        if not head.startswith(_CHUNK_NODE) or not depth:
            raise FormatError(f"there is no node of a dataset's B-tree at byte {node}")
        level, children = head[5], list(_read_children(reader, node, int.from_bytes(head[6:8], "little"), layout))
        if level:
            waiting.extend((address, depth - 1) for _, _, address in reversed(children))
        else:
            yield from (_parse_chunk(*child, layout) for child in children)


def _read_children(
    reader: Hdf5Reader, node: int, count: int, layout: ChunkLayout
) -> Iterator[tuple[tuple[int, int], tuple[int, ...], int]]:
    """Size and filters that were left out, where the chunk is in the dataset, and the address, of each child."""
    dimensions = len(layout.spec.shape) + 1
    key = struct.Struct(f"<2L{dimensions}Q")
    stride = key.size + reader.offset_size
    content = reader.read(node + _HEAD + 2 * reader.offset_size, count * stride)
    for at in range(0, count * stride, stride):
        size, skipped, *place, _ = key.unpack_from(content, at)
        address = reader.parse_offset(content, at + key.size)
        if address is None:
            raise FormatError("a chunk of a dataset has no address")
        yield (size, skipped), tuple(place), address


def _parse_chunk(
    told: tuple[int, int], place: tuple[int, ...], address: int, layout: ChunkLayout
) -> DatasetChunk | None:
    if told != (layout.spec.nbytes, 0):
        return None
    steps = [divmod(at, size) for at, size in zip(place, layout.spec.shape, strict=True)]
    if any(rest for _, rest in steps):
        raise FormatError("a chunk of a dataset lies across others")
    return DatasetChunk(tuple([step for step, _ in steps]), address)
