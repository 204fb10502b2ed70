"""The index of a sharded checkpoint: which shard each parameter is in.

Source: ``save_pretrained`` of transformers: JSON with a ``weight_map`` of parameter names to names of files beside it,
and ``metadata`` with the bytes (``total_size``) and, of late, the elements (``total_parameters``) of all of them. Of a
variant that is called ``model.fp16.safetensors``, the index is ``model.safetensors.index.fp16.json``.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

INDEX_ENDING = ".index.json"
_INDEX = re.compile(r"(?P<file>.*[^/])\.index(?:\.(?P<variant>[^./]+))?\.json", re.DOTALL)
SIZE_KEY, ELEMENTS_KEY = "total_size", "total_parameters"
"""What an index calls the bytes and the elements of all shards."""


def is_index(path: str) -> bool:
    """Whether a file is called as indexes are."""
    return path.endswith(".json") and _INDEX.fullmatch(path) is not None


def whole_path_of(index_path: str) -> str:
    """What the checkpoint of an index is called where it is a single file."""
    found = _INDEX.fullmatch(index_path)
    if found is None:
        return index_path
    if not found["variant"]:
        return found["file"]
    stem, ending = posixpath.splitext(found["file"])
    return f"{stem}.{found['variant']}{ending}"


def places_named_by(path: str, text: bytes) -> dict[str, str]:
    """Parameter name to the path of its shard, as the index at ``path`` says; nothing for a text that is no index."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        folder = posixpath.dirname(path)
        return {
            name: posixpath.normpath(posixpath.join(folder, file))
            for name, file in json.loads(text)["weight_map"].items()
            if isinstance(file, str)
        }
    return {}


def shards_named_by(path: str, text: bytes) -> list[str]:
    """The paths of the files that the index at ``path`` names, sorted; none for a text that is no such index."""
    return sorted(set(places_named_by(path, text).values()))


def merge_indexes(
    path: str, layout: Mapping[str, str], totals: tuple[int, int], base: bytes | None, heads: Iterable[bytes | None]
) -> bytes:
    """The text of the index at ``path`` for merged shards: a head's own where that says just this.

    Args:
        path: of the index.
        layout: name of each parameter to the path of its shard.
        totals: bytes and elements of all parameters.
        base: the index at the merge base.
        heads: the index at each head. Of what else they say, a head's change counts; the first head's where several
            changed it.
    """
    texts = [text for text in heads if text]
    contents = [_parse_index(text) for text in texts]
    merged = _merge_keys(_parse_index(base or b""), contents)
    merged["metadata"] = _merge_metadata(_parse_index(base or b""), contents, totals)
    folder = posixpath.dirname(path)
    merged["weight_map"] = {name: posixpath.relpath(shard, folder or ".") for name, shard in layout.items()}
    same = (text for text, content in zip(texts, contents, strict=True) if content == merged)
    return next(same, f"{json.dumps(merged, indent=2, sort_keys=True)}\n".encode())


def _parse_index(text: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
        return content if isinstance(content, dict) else {}
    return {}


def _merge_metadata(base: dict[str, Any], heads: list[dict[str, Any]], totals: tuple[int, int]) -> dict[str, Any]:
    found = _merge_keys(_metadata_of(base), list(map(_metadata_of, heads)))
    found |= {key: total for key, total in zip((SIZE_KEY, ELEMENTS_KEY), totals, strict=True) if key in found}
    is_empty = any(head.get("metadata") == {} for head in heads)
    return found if found or is_empty else {SIZE_KEY: totals[0]}


def _metadata_of(content: dict[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _merge_keys(base: dict[str, Any], heads: list[dict[str, Any]]) -> dict[str, Any]:
    """Each key as the first head has it that changed it; as the base has it where none did."""
    absent = object()
    merged = {}
    for key in dict.fromkeys(key for content in (*heads, base) for key in content):
        was = base.get(key, absent)
        value = next((found for head in heads if (found := head.get(key, absent)) != was), was)
        if value is not absent:
            merged[key] = value
    return merged
