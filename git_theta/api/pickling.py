"""What the API gives can be pickled, for processes of a pool or a DataLoader: no values travel, only what names them.

Manifests share empty read-only mappings; ``copyreg`` is Python's way to say how a type that is not ours is pickled.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def freeze_mapping(items: dict[Any, Any]) -> Mapping[Any, Any]:
    """A read-only view of a mapping that nobody else has."""
    return MappingProxyType(items)


def allow_pickling() -> None:
    """Have read-only mappings be pickled, wherever they are."""
    copyreg.pickle(MappingProxyType, _reduce_mapping)


def _reduce_mapping(found: MappingProxyType[Any, Any]) -> tuple[Callable[..., Any], tuple[dict[Any, Any]]]:
    return freeze_mapping, (dict(found),)
