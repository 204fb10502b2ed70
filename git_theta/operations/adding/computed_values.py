"""Values that are computed, block by block, once: hashed and encoded as they pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from git_theta.manifest.model import DENSE
from git_theta.operations.adding.encoding import EncodedPart, put_encoding
from git_theta.operations.adding.passing_values import PassingValues
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.value_encoding import encode_values
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import DType


def encode_computed(
    blocks: Iterable[Buffer], width: int, store: Store, preferences: Preferences, progress: Callable[[int], None]
) -> EncodedPart:
    """A part whose values pass once: its payload is put, or handed back where it is small. Waits for nobody.

    Args:
        blocks: the values, in blocks of BLOCK bytes.
        width: bytes of one number.
        store: where the payload goes.
        preferences: what to store with; no update but dense is content with values that pass once.
        progress: told of every byte.
    """
    digest, size = hashlib.sha256(), 0

    def hash_blocks() -> Iterator[Buffer]:
        nonlocal size
        for block in blocks:
            digest.update(block)
            size += len(block)
            progress(len(block))
            yield block

    dtype = DType(f"U{8 * width}", 8 * width, "uint")  # all that dense storage asks of one
    values = PassingValues(dtype, hash_blocks())
    part = put_encoding(encode_values(values, map, preferences._replace(updates=(DENSE,))), store)
    return part._replace(oid=digest.hexdigest(), size=size)
