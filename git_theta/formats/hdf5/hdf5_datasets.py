"""The datasets of an HDF5 file: by the way to them, with the bytes that are theirs.

Source: HDF5 File Format Specification 3.0, sections IV.A.2.b (dataspace) and IV.A.2.i (data layout).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.hdf5.hdf5_chunks import DatasetChunk, parse_chunk_layout, read_chunks
from git_theta.formats.hdf5.hdf5_links import is_group, read_links
from git_theta.formats.hdf5.hdf5_reader import Hdf5Reader, HeaderMessage
from git_theta.formats.hdf5.hdf5_types import name_dtype
from git_theta.formats.layout import require_shape
from git_theta.formats.unique_names import UniqueNames
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _FILTERS, _CHANGED = 1, 3, 7, 8, 0xB, 0x12
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_LAYOUT_VERSIONS = (3, 4, 5)
_LONGEST_PATH = 16 << 10
_IN_CHUNKS = "in chunks that are compressed, small or many, or have an index that is not read"
_IN_A_HEAP = "links in a fractal heap, which is not read: its datasets stay whole"


class Hdf5Dataset(NamedTuple):
    """A dataset, or a group that is not read.

    Attributes:
        names: every hard link to it, the first one first.
        spec: dtype and shape; None where it is no numbers.
        offset: where its bytes begin; None where they do not stand in one piece.
        reason: why not; "" where there are none.
        is_in_header: whether they stand among the file's structures.
        chunks: the pieces, where it is cut into such as are stored as they are.
        chunk_spec: dtype and shape of each of them.
    """

    names: list[str]
    spec: Spec | None = None
    offset: int | None = None
    reason: str = ""
    is_in_header: bool = False
    chunks: Sequence[DatasetChunk] = ()
    chunk_spec: Spec | None = None


class Hdf5Content(NamedTuple):
    """What is in a file.

    Attributes:
        datasets: in the order in which the groups list them.
        places: offset and end of every structure.
        times: offsets of times of change, 4 bytes each, that no checksum covers.
    """

    datasets: list[Hdf5Dataset]
    places: list[tuple[int, int]]
    times: set[int]


class _DataPlace(NamedTuple):
    """Where a dataset's bytes begin, or why they are not in one piece."""

    offset: int | None = None
    reason: str = ""
    is_in_header: bool = False


def read_content(source: Source) -> Hdf5Content:
    """The datasets of a file. Raises FormatError where it is damaged or hostile."""
    return _Walker(Hdf5Reader(source)).walk_groups()


class _Walker:
    """Follows links from the root; each object is read once, whatever links to it."""

    def __init__(self, reader: Hdf5Reader) -> None:
        self._reader = reader
        self._names = UniqueNames()
        self._content = Hdf5Content([], reader.places, set())
        self._known: dict[int, Hdf5Dataset | None] = {}

    def walk_groups(self) -> Hdf5Content:
        waiting = [("", "", self._reader.root)]
        while waiting:
            above, name, address = waiting.pop()
            path = f"{above}.{name}" if above else name
            if len(path) > _LONGEST_PATH:
                raise FormatError(f"the way to a dataset is over {_LONGEST_PATH} characters long")
            if address not in self._known:
                links = self._read_object(address, path)
                waiting.extend((path, link, there) for link, there in reversed(links))
            elif (dataset := self._known[address]) is not None:
                dataset.names.append(self._names.claim_name(path))
        return self._content

    def _read_object(self, address: int, path: str) -> list[tuple[str, int]]:
        """Note what stands at an address; the links of a group."""
        self._known[address] = None
        messages = list(self._reader.read_messages(address))
        self._content.times.update(
            one.offset + 4 for one in messages if one.kind == _CHANGED and len(one.body) >= 8 and not one.has_checksum
        )
        if is_group(messages):
            group = read_links(self._reader, messages)
            if not group.is_complete:
                name = self._names.claim_name(f"{path}.*" if path else "*")
                self._content.datasets.append(Hdf5Dataset([name], reason=_IN_A_HEAP))
            return group.links
        if any(one.kind == _LAYOUT for one in messages):
            found = _read_dataset(self._reader, messages, self._names.claim_name(path))
            self._content.datasets.append(found)
            self._known[address] = found
        return []


def _read_dataset(reader: Hdf5Reader, messages: Sequence[HeaderMessage], name: str) -> Hdf5Dataset:
    by_kind = {message.kind: message for message in messages}
    layout, space, kind = (by_kind.get(wanted) for wanted in (_LAYOUT, _DATASPACE, _DATATYPE))
    if not layout or not space or not kind or layout.is_shared or space.is_shared or kind.is_shared:
        return Hdf5Dataset([name], reason="its type or shape is kept elsewhere")
    dtype = BY_NAME.get(name_dtype(kind.body))
    shape = _parse_shape(reader, space.body)
    if shape is None:
        return Hdf5Dataset([name])
    if dtype is None:
        return Hdf5Dataset([name], reason="no numbers, or not in little-endian order")
    spec = Spec(dtype, shape)
    if _EXTERNAL in by_kind:
        return Hdf5Dataset([name], spec, reason="in another file")
    if layout.body[:2] == bytes([3, _CHUNKED]) and _FILTERS not in by_kind and len(layout.body) > 2:
        return _read_chunked(reader, spec, layout.body, name)
    return Hdf5Dataset([name], spec, *(_find_place(reader, spec, layout) if spec.nbytes else _DataPlace()))


def _read_chunked(reader: Hdf5Reader, spec: Spec, body: bytes, name: str) -> Hdf5Dataset:
    """A dataset in chunks without filters. One chunk that is all of it is the dataset itself."""
    layout = parse_chunk_layout(reader, spec, body)
    chunks = read_chunks(reader, layout) if layout else None
    if layout is None or chunks is None:
        return Hdf5Dataset([name], spec, reason=_IN_CHUNKS)
    if len(chunks) == 1 and layout.spec == spec:
        return Hdf5Dataset([name], spec, chunks[0].offset)
    return Hdf5Dataset([name], spec, chunks=chunks, chunk_spec=layout.spec)


def _parse_shape(reader: Hdf5Reader, space: bytes) -> tuple[int, ...] | None:
    """The dimensions; None for a dataspace without elements."""
    if len(space) < 4 or space[0] not in (1, 2):
        raise FormatError("a dataset's shape has a version that is not read")
    if space[0] == 2 and space[3] == 2:
        return None
    start = 8 if space[0] == 1 else 4
    return require_shape([reader.parse_length(space, start + index * reader.length_size) for index in range(space[1])])


def _find_place(reader: Hdf5Reader, spec: Spec, layout: HeaderMessage) -> _DataPlace:
    body = layout.body
    if len(body) < 4 or body[0] not in _LAYOUT_VERSIONS or body[1] not in (_COMPACT, _CONTIGUOUS):
        return _DataPlace(reason=_IN_CHUNKS)
    is_compact = body[1] == _COMPACT
    if is_compact:
        offset: int | None = layout.offset + 4
        size = min(int.from_bytes(body[2:4], "little"), len(body) - 4)
    else:
        offset = reader.parse_offset(body, 2)
        size = reader.parse_length(body, 2 + reader.offset_size)
    if offset is None:
        return _DataPlace(reason="never written")
    if size != spec.nbytes:
        return _DataPlace(reason="not of the size that its shape says")
    if is_compact and layout.has_checksum:
        return _DataPlace(reason="in a header with a checksum")
    return _DataPlace(offset, "", is_compact)
