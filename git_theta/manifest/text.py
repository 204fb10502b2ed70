"""The one text encoding of a manifest (normative: docs/spec/manifest.md).

A line that names it, a JSON line for the file, a JSON line per part. Known keys come in a fixed order, unknown ones
after them, sorted; separators are tight; text is UTF-8. Every valid manifest therefore has exactly one encoding, and
``loads`` accepts no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from git_theta.errors import ManifestError, NewerManifest
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
from git_theta.manifest.usual import parse_common_line

VERSION = 1
PREFIX = b"git-theta manifest "
FIRST_LINE = PREFIX + b"%d\n" % VERSION
MAX_MANIFEST = 64 << 20
"""A text above this many bytes is no manifest: 200,000 parameters fit. Untrusted text costs memory to parse."""
_MAX_LINE = 4 << 20
"""Nor has a manifest a line above this many bytes: 40,000 windows on one storage fit."""

_CACHED_LINES = 1 << 13
"""Parsed lines to keep: of two versions that are compared, most are the same. 2 KB each, or 16 MB."""
_SHORT_LINE = 1 << 10
"""Bytes of a line that is one of so many."""
_CACHED_LONG_LINES = 1 << 10
"""Parsed longer lines to keep: with the longest chain of update bases 16 KB each, or 16 MB as well."""
_LONG_LINE = 6 << 10
"""Bytes of a longer line that may be kept: each link of a chain takes 280. Others could hold anything."""

_ANY_VERSION = re.compile(rb"git-theta manifest ([1-9][0-9]{0,8})\n")


def is_manifest(head: bytes) -> bool:
    """Whether a file that starts with ``head`` claims to be a manifest, of any version."""
    return _ANY_VERSION.match(head) is not None


def encode_manifest(manifest: Manifest) -> bytes:
    """The encoding of ``manifest``. Raises ManifestError when it would be larger than any that ``loads`` takes."""
    try:
        lines = [_header_to_json(manifest), *map(_entry_to_json, manifest.entries)]
    except ValueError as error:
        raise ManifestError(f"no reader would take its manifest: {error}") from error
    text = FIRST_LINE + b"".join(map(_encode_line, lines))
    if len(text) > MAX_MANIFEST:
        raise ManifestError(
            f"the manifest of its {len(manifest.entries):,} parts would have {len(text):,} bytes, "
            f"over {MAX_MANIFEST:,}",
            hint="Split the checkpoint into shards.",
        )
    return text


def decode_manifest(text: bytes) -> Manifest:
    """The manifest that ``text`` encodes.

    Raises NewerManifest for a version above ours, ManifestError for anything that is not exactly a valid encoding.
    """
    _check_version(text)
    lines = text[len(FIRST_LINE) :].split(b"\n")[:-1]
    if len(text) > MAX_MANIFEST or any(len(line) > _MAX_LINE for line in lines):
        raise ManifestError(
            f"not a valid manifest: {len(text):,} bytes, or one of its lines, are too many", hint=_DAMAGED_HINT
        )
    try:
        manifest = _manifest_from_json(_parse_json_line(lines[0]) if lines else {}, map(_parse_part, lines[1:]))
        exact = _encode_line(_header_to_json(manifest)) == lines[0] + b"\n" and text.endswith(b"\n")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"not a valid manifest: {_invalid_reason(error)}", hint=_DAMAGED_HINT) from error
    if not exact:
        raise _inexact_error()
    return manifest


def _parse_part(line: bytes) -> Entry:
    """The part that a line stands for. Raises ManifestError for one that is not in its one valid encoding."""
    if len(line) < _SHORT_LINE:
        return _parse_short(line)
    return _parse_long(line) if len(line) < _LONG_LINE else _parse_uncached(line)


def _parse_uncached(line: bytes) -> Entry:
    if usual := parse_common_line(line):
        return usual
    entry = _entry_from_json(_parse_json_line(line))
    if _encode_line(_entry_to_json(entry)) != line + b"\n":
        raise _inexact_error()
    return entry


_parse_short = lru_cache(_CACHED_LINES)(_parse_uncached)
_parse_long = lru_cache(_CACHED_LONG_LINES)(_parse_uncached)


def _inexact_error() -> ManifestError:
    return ManifestError("not a valid manifest: it is not in its one valid encoding", hint=_DAMAGED_HINT)


_DAMAGED_HINT = "It was edited or damaged. Take the file from another commit, or add the checkpoint again."


def _invalid_reason(error: Exception) -> str:
    """Why it is not valid, in words for a person."""
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing"
    if isinstance(error, json.JSONDecodeError):
        return f"a line is not JSON ({error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "a line is not UTF-8"
    # Ours say what is wrong; all others are Python's, about values of another kind than they should be.
    return str(error) if type(error) is ValueError else "a value is not of the kind that it must be"


def _check_version(text: bytes) -> None:
    match = _ANY_VERSION.match(text)
    if match is None:
        raise ManifestError("not a manifest: the first line does not name one")
    if int(match[1]) > VERSION:
        raise NewerManifest(
            f"a manifest of version {int(match[1])}; this release reads up to version {VERSION}",
            hint="Upgrade git-theta: pip install --upgrade git-theta",
        )


def _manifest_from_json(header: dict[str, Any], parts: Iterable[Entry]) -> Manifest:
    frame = header.pop("frame", None)
    manifest = Manifest(
        format=require_text(header.pop("format")),
        size=require_size(header.pop("size")),
        frame=None if frame is None else _run_from_json(frame),
        entries=tuple(parts),
        extra=header,
    )
    seen: set[str] = set()
    for name in chain.from_iterable(map(_entry_names, manifest.parameters())):
        if name in seen:
            raise ManifestError(f"not a valid manifest: two parameters are called {name!r}", hint=_DAMAGED_HINT)
        seen.add(name)
    return manifest


def _entry_names(entry: Entry) -> Iterator[str]:
    """Every name once, as written: where an entry's own name is a window, its first view repeats it."""
    views = [view.name for view in entry.views]
    return chain([entry.name or ""], views[1:] if views[:1] == [entry.name] else views)


def _entry_from_json(data: dict[str, Any]) -> Entry:
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


def _header_to_json(manifest: Manifest) -> dict[str, Any]:
    data: dict[str, Any] = {"format": manifest.format, "size": manifest.size}
    if manifest.frame is not None:
        data["frame"] = _entry_to_json(manifest.frame)
    return data | sort_keys(manifest.extra)


def _entry_to_json(entry: Entry) -> dict[str, Any]:
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


def _encode_line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _parse_json_line(line: bytes) -> Any:
    return json.loads(
        line,
        object_pairs_hook=_reject_duplicates,
        parse_int=_parse_integer,
        parse_float=_reject_number,
        parse_constant=_reject_number,
    )


def _parse_integer(digits: str) -> int:
    value = int(digits)
    if not -1 << 63 <= value < 1 << 63:
        raise ValueError("an integer beyond 64 bits")
    return value


def _reject_number(number: str) -> NoReturn:
    raise ValueError(f"{number} is not an integer")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice")
    return data
