"""What an index says of all shards together: bytes and elements, which Git's merge of its text cannot add up."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from git_theta.checkpoints.index_file import ELEMENTS_KEY, SIZE_KEY
from git_theta.manifest.model import Manifest


def find_wrong_totals(index: bytes, shards: Iterable[Manifest]) -> dict[str, int]:
    """The totals that an index says and that are others, as they should be; nothing for a text that is no index."""
    entries = [entry for manifest in shards for entry in manifest.parameters()]
    right = {
        SIZE_KEY: sum(entry.size for entry in entries),
        ELEMENTS_KEY: sum(math.prod(entry.shape) for entry in entries),
    }
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = json.loads(index)["metadata"]
        return {key: total for key, total in right.items() if key in said and said[key] != total}
    return {}


def replace_totals(index: bytes, totals: Mapping[str, int]) -> bytes:
    """The index with other totals, and every other byte as it was."""
    for key, total in totals.items():
        index = re.sub(rb'("%s"\s*:\s*)[\d.]+' % key.encode(), rb"\g<1>%d" % total, index, count=1)
    return index
