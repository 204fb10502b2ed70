"""Values that came out of JSON, one kind each: what is of another kind raises ValueError, or TypeError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MAX_DIMENSIONS = 64
"""A shape has no more; the product of any number of them would take hours."""

_MAX_NESTING = 64
"""Lists and objects within each other in an unknown key; how deep Python can go depends on who asks."""

_OID = re.compile(r"[0-9a-f]{64}\Z")


def require_text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def require_name(value: Any) -> str:
    """A string of at least one character, without NUL."""
    if not require_text(value) or "\0" in value:
        raise ValueError(f"{value!r} is not a name")
    return str(value)


def require_size(value: Any) -> int:
    """A number of bytes, or of anything else that can be counted."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r} is not a size")
    return value


def require_sizes(values: Any) -> tuple[int, ...]:
    """A list of sizes."""
    return tuple(require_size(value) for value in values)


def require_shape(values: Any) -> tuple[int, ...]:
    """The dimensions of a tensor."""
    if len(values) > _MAX_DIMENSIONS:
        raise ValueError(f"a shape of {len(values)} dimensions")
    return require_sizes(values)


def require_range(values: Any) -> tuple[int, int]:
    """Offset and size."""
    offset, *sizes = require_sizes(values)
    if len(sizes) != 1:
        raise ValueError(f"{values!r} is not a range")
    return offset, sizes[0]


def require_objects(values: Any) -> tuple[tuple[str, int], ...]:
    """A list of objects: oid and size of each."""
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in values):
        raise ValueError("an object is not an oid and a size")
    return tuple([(require_oid(oid), require_size(size)) for oid, size in values])


def require_oid(value: Any) -> str:
    """64 lower-case hexadecimal digits."""
    if not isinstance(value, str) or not _OID.match(value):
        raise ValueError(f"{value!r} is not an object id")
    return value


def require_options(value: Any) -> dict[str, Any]:
    """What an update was told, by name."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} are no options")
    return value


def sort_keys(extra: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Keys in their one order, whatever they hold, ``depth`` levels down."""
    if depth > _MAX_NESTING:
        raise ValueError(f"unknown keys are nested more than {_MAX_NESTING} deep")
    return {key: _sort_nested(extra[key], depth + 1) for key in sorted(extra)}


def _sort_nested(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return sort_keys(value, depth)
    if not isinstance(value, (list, tuple)):
        return value
    if depth > _MAX_NESTING:
        raise ValueError(f"unknown keys are nested more than {_MAX_NESTING} deep")
    return [_sort_nested(item, depth + 1) for item in value]
