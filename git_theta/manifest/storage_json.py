"""The storage of a part as JSON: its keys, their order, and what a chain of update bases must be."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from git_theta.manifest.json_checks import (
    require_objects,
    require_oid,
    require_options,
    require_range,
    require_shape,
    require_size,
    require_text,
    sort_keys,
)
from git_theta.manifest.model import DENSE, Coding, Place, Storage, UpdateBase

MAX_CHAIN = 16
"""Update bases that a part may have. To read one value takes a block of each, and the time of each."""

MAX_SERIES = 1 << 12
"""Objects of a payload. Those of the longest chain still fit into a line."""

_ONE_OBJECT = ("object", "bytes", "range")
"""Keys that say where a payload is that is in one object."""


@lru_cache(256)
def plain_coding(update: str, serializer: str) -> Coding:
    """The coding that most parts have: one value for all of them."""
    return Coding(update, serializer)


def storage_from_json(data: dict[str, Any]) -> Storage:
    """The storage that parsed JSON stands for; ``data`` is used up. Raises KeyError, ValueError, TypeError."""
    coding, place = _take_coding(data), _take_place(data)
    chain = tuple(map(_base_from_json, data.pop("chain", ())))
    if chain:
        coding = coding._replace(chain=chain)
    storage = Storage(coding, place, data)
    if chain:
        _check_links(storage)
    if chain or place.rest:
        _check_sizes(storage)
    return storage


def storage_to_json(storage: Storage) -> dict[str, Any]:
    """What stands for ``storage`` in JSON, keys in their fixed order. Raises ValueError where no reader takes it."""
    data = _describe_payload(storage.coding, storage.place)
    if storage.coding.chain:
        _check_links(storage)
        _check_sizes(storage)
        data["chain"] = [_base_to_json(base) for base in storage.coding.chain]
    return data | sort_keys(storage.extra)


def check_chain(oid: str, storage: Storage) -> None:
    """Raise ValueError for a chain that no writer writes, of the part of that oid."""
    check_own_oid(oid, storage)
    _check_links(storage)
    _check_sizes(storage)


def check_own_oid(oid: str, storage: Storage) -> None:
    """Raise ValueError when the part of that oid is to be rebuilt from itself."""
    if any(base.oid == oid for base in storage.coding.chain):
        raise ValueError("a part is its own update base")


def _base_from_json(data: dict[str, Any]) -> UpdateBase:
    if "chain" in data:
        raise ValueError("an update base has a chain of its own")
    return UpdateBase(
        dtype=require_text(data.pop("dtype")),
        shape=require_shape(data.pop("shape")),
        size=require_size(data.pop("size")),
        oid=require_oid(data.pop("oid")),
        coding=_take_coding(data),
        place=_take_place(data),
        extra=data,
    )


def _base_to_json(base: UpdateBase) -> dict[str, Any]:
    data = {"dtype": base.dtype, "shape": list(base.shape), "size": base.size, "oid": base.oid}
    return data | _describe_payload(base.coding, base.place) | sort_keys(base.extra)


def _take_coding(data: dict[str, Any]) -> Coding:
    update, serializer = require_text(data.pop("update")), require_text(data.pop("serializer"))
    options = data.pop("options", None)
    if options is None:
        return plain_coding(update, serializer)
    return Coding(update, serializer, require_options(options))


def _take_place(data: dict[str, Any]) -> Place:
    series = data.pop("objects", None)
    if series is not None:
        if not data.keys().isdisjoint(_ONE_OBJECT):
            raise ValueError("a payload is in one object and in several")
        return _require_series(series)
    inside = data.pop("range", None)
    place = Place(
        object=require_oid(data.pop("object")),
        bytes=require_size(data.pop("bytes")),
        range=None if inside is None else require_range(inside),
    )
    if place.offset + place.size > place.bytes:
        raise ValueError("a range reaches beyond its object")
    return place


def _require_series(values: Any) -> Place:
    """The place of a payload that is in several objects."""
    if not 1 < len(values) <= MAX_SERIES:
        raise ValueError(f"a payload in a list of {len(values)} objects")
    objects = require_objects(values)
    if not all(size for _, size in objects):
        raise ValueError("an object of no bytes among several")
    require_size(sum(size for _, size in objects))
    return Place.of_objects(objects)


def _describe_payload(coding: Coding, place: Place) -> dict[str, Any]:
    data: dict[str, Any] = {"update": coding.update, "serializer": coding.serializer}
    if place.rest:
        if place.range is not None:
            raise ValueError("several objects with one range")
        data["objects"] = list(map(list, place.objects()))
    else:
        data |= {"object": place.object, "bytes": place.bytes}
    if place.range is not None:
        data["range"] = list(place.range)
    if coding.options:
        data["options"] = sort_keys(coding.options)
    return data


def _check_links(storage: Storage) -> None:
    """Raise ValueError for a chain that no writer writes. What only an update can know, it says when it decodes."""
    chain = storage.coding.chain
    if len(chain) > MAX_CHAIN:
        raise ValueError(f"a chain of {len(chain)} update bases")
    if len({base.oid for base in chain}) < len(chain):
        raise ValueError("an update base stands twice in its chain")
    if DENSE in [storage.coding.update, *(base.coding.update for base in chain[1:])]:
        raise ValueError(f"the update {DENSE} has no base, and stands on one")


def _check_sizes(storage: Storage) -> None:
    """Raise ValueError where one object has two sizes."""
    sizes = storage.objects()
    if any(sizes[oid] != size for place in storage.places() for oid, size in place.objects()):
        raise ValueError("one object with two sizes")
