"""The index of a sharded checkpoint: which shard each parameter is in.

Source: ``save_pretrained`` of transformers: JSON with a ``weight_map`` of parameter names to names of files beside it.
"""

from __future__ import annotations

import json
import posixpath
from contextlib import suppress

INDEX_ENDING = ".index.json"


def is_index(path: str) -> bool:
    """Whether a file is called as indexes are."""
    return path.endswith(INDEX_ENDING)


def shards_named_by(path: str, text: bytes) -> list[str]:
    """The paths of the files that the index at ``path`` names, sorted; none for a text that is no such index."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names = {name for name in json.loads(text)["weight_map"].values() if isinstance(name, str)}
        return sorted({posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names})
    return []
