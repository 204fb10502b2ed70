"""The header and the parts of a manifest as JSON objects, whose known keys are in their order."""

from __future__ import annotations

from typing import Any

from git_theta.manifest.json_checks import (
    require_name,
    require_oid,
    require_shape,
    require_size,
    require_sizes,
    require_text,
    sort_keys,
)
from git_theta.manifest.model import Entry, Manifest, View
from git_theta.manifest.storage_json import check_own_oid, storage_from_json, storage_to_json


def entry_from_json(data: dict[str, Any]) -> Entry:
    """The part that an object stands for. Takes the object apart; what is left of it is kept as it is."""
    return _parameter_from_json(data) if "name" in data else _run_from_json(data)


def _parameter_from_json(data: dict[str, Any]) -> Entry:
    return Entry(
        name=require_name(data.pop("name")),
        dtype=require_text(data.pop("dtype")),
        shape=require_shape(data.pop("shape")),
        size=require_size(data.pop("size")),
        oid=require_oid(data.pop("oid")),
        views=tuple(map(_view_from_json, data.pop("views", ()))),
        storage=storage_from_json(data.pop("storage")),
        extra=data,
    )


def _run_from_json(data: dict[str, Any]) -> Entry:
    """A part that is no parameter: bytes alone."""
    if not data.keys().isdisjoint(("name", "dtype", "shape", "views")):
        raise ValueError("a part without a name has a parameter's keys")
    return Entry(
        size=require_size(data.pop("size")),
        oid=require_oid(data.pop("oid")),
        storage=storage_from_json(data.pop("storage")),
        extra=data,
    )


def _view_from_json(data: dict[str, Any]) -> View:
    stride = data.pop("stride", None)
    return View(
        name=require_name(data.pop("name")),
        dtype=require_text(data.pop("dtype")),
        shape=require_shape(data.pop("shape")),
        stride=None if stride is None else require_sizes(stride),
        offset=require_size(data.pop("offset", 0)),
        extra=data,
    )


def header_from_json(data: dict[str, Any]) -> Manifest:
    """The manifest of a header, without its parts. Takes the object apart."""
    frame = data.pop("frame", None)
    return Manifest(
        format=require_text(data.pop("format")),
        size=require_size(data.pop("size")),
        frame=None if frame is None else _run_from_json(frame),
        entries=(),
        extra=data,
    )


def header_to_json(manifest: Manifest) -> dict[str, Any]:
    """The object of a manifest's header."""
    data: dict[str, Any] = {"format": manifest.format, "size": manifest.size}
    if manifest.frame is not None:
        data["frame"] = entry_to_json(manifest.frame)
    return data | sort_keys(manifest.extra)


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """The object of a part."""
    data: dict[str, Any] = {}
    if entry.name is not None:
        data = {"name": entry.name, "dtype": entry.dtype, "shape": list(entry.shape)}
    data |= {"size": entry.size, "oid": entry.oid}
    check_own_oid(entry.oid, entry.storage)
    if entry.views:
        data["views"] = [_view_to_json(view) for view in entry.views]
    return data | {"storage": storage_to_json(entry.storage)} | sort_keys(entry.extra)


def _view_to_json(view: View) -> dict[str, Any]:
    data: dict[str, Any] = {"name": view.name, "dtype": view.dtype, "shape": list(view.shape)}
    if view.stride is not None:
        data["stride"] = list(view.stride)
    if view.offset:
        data["offset"] = view.offset
    return data | sort_keys(view.extra)
