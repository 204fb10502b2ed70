"""A file of ``torch.save`` before 1.6: five pickles one after the other, then the storages.

Magic number, version, how the machine counts, the object, and the keys of its storages, in the order in which these
follow: the number of elements in 8 bytes, and the bytes. Source: ``_legacy_save`` and ``_legacy_load`` in
``torch/serialization.py`` (2.13), ``writeFileRaw`` in ``torch/csrc/serialization.cpp``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Source
from git_theta.formats.pickle.pickle_arrays import PickledArray
from git_theta.formats.pickle.pickle_records import PickledDict
from git_theta.formats.pickle.pickle_stream import read_next_pickle
from git_theta.formats.torch.torch_facts import StoragePlace
from git_theta.formats.torch.torch_names import name_tensors
from git_theta.formats.torch.torch_spans import sort_tensors
from git_theta.formats.torch.torch_tensors import PickledTensor
from git_theta.formats.unique_names import UniqueNames

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_COUNT_BYTES = 8
_WIDTHS = (1, 2, 4, 8, 16)
"""Bytes of an element of a storage."""


class LegacyFile(NamedTuple):
    """What a file holds.

    Attributes:
        system: how the machine that wrote it counts.
        root: the object that was saved.
        storages: its tensors with their names, by the keys of their storages.
        arrays: its arrays with their names, by where their bytes are.
        places: where each storage is, by key.
    """

    system: object
    root: object
    storages: dict[str, list[tuple[str, PickledTensor]]]
    arrays: dict[int, list[tuple[str, PickledArray]]]
    places: dict[str, StoragePlace]


def read_legacy_file(source: Source, passed: Container[int] | None = None) -> LegacyFile:
    """The file. ``passed`` as ``read_pickle_within`` says.

    Raises FormatError where it is damaged or hostile, from a big-endian machine, or goes on after its storages.
    """
    head = []
    at = 0
    for _ in range(3):
        value, at = read_next_pickle(source, at)
        head.append(value)
    if head[:2] != [_MAGIC, _VERSION]:
        raise FormatError("the file does not begin as one of torch before 1.6")
    if not _is_little_endian(head[2]):
        raise FormatError("the file's storages are not little-endian")
    root, at = read_next_pickle(source, at, passed)
    keys, at = read_next_pickle(source, at)
    storages, arrays = sort_tensors(name_tensors(root, UniqueNames()))
    return LegacyFile(head[2], root, storages, arrays, _place_storages(source, at, _require_keys(keys), storages))


def _is_little_endian(system: object) -> bool:
    pairs = system.pairs or () if isinstance(system, PickledDict) else ()
    return any(key == "little_endian" and value is True for key, value in pairs)


def _require_keys(keys: object) -> list[str]:
    found = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
    if not isinstance(keys, list) or len(found) != len(keys) or len(set(found)) != len(found):
        raise FormatError("the file does not list its storages, each once")
    return found


def _place_storages(
    source: Source, at: int, keys: Sequence[str], storages: Mapping[str, Sequence[tuple[str, PickledTensor]]]
) -> dict[str, StoragePlace]:
    """Where each storage is: only the pickle says how many bytes an element of it has."""
    places: dict[str, StoragePlace] = {}
    for key in keys:
        sizes = {tensor.storage_size for _, tensor in storages.get(key, ())}
        if len(sizes) != 1:
            raise FormatError(f"the storage {key!a:.80} has no size that the pickle tells")
        [size] = sizes
        elements = int.from_bytes(source.read(at, _COUNT_BYTES), "little")
        if size not in [elements * width for width in _WIDTHS]:
            raise FormatError(f"the storage {key!a:.80} has another size than the pickle says")
        places[key] = StoragePlace(at + _COUNT_BYTES, size)
        at += _COUNT_BYTES + size
        if at > source.size:
            raise FormatError("the file is cut: storages are missing")
    if at != source.size:
        raise FormatError("something follows the storages: the file may be several in one")
    return places
