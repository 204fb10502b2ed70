"""Files as Flax writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import msgpack
import numpy as np

FLAX = Path(__file__).parent / "fixtures" / "flax-0.12.msgpack"
"""``msgpack_serialize`` of Flax 0.12.8 with JAX 0.10.2, of what ``CONTENT`` says, with ``mu`` as a list and None."""
CONTENT: dict[str, Any] = {
    "params.Dense_0.kernel": np.arange(12).reshape(3, 4).astype(ml_dtypes.bfloat16),
    "params.Dense_0.bias": np.zeros(4, "f4"),
    "params.Dense_1.kernel": np.ones((4, 2), "f2"),
    "batch_stats.mean": np.arange(4, dtype="f8"),
    "opt_state.0.count": np.int32(7),
    "opt_state.0.mu.0": np.ones(2, "f4"),
    "f8": np.ones(3).astype(ml_dtypes.float8_e4m3fn),
    "mask": np.array([True, False]),
}
"""The arrays, by name; the rest is step 3, name "run", lr 1e-3, done True, an empty mapping and None."""


def serialized(tree: Any) -> bytes:
    """As ``msgpack_serialize`` (``flax/serialization.py``)."""
    return bytes(msgpack.packb(tree, default=pack_array, strict_types=True))


def pack_array(value: Any) -> msgpack.ExtType:
    array = np.asarray(value)
    code = 1 if isinstance(value, np.ndarray) else 3
    return msgpack.ExtType(code, msgpack.packb((array.shape, array.dtype.name, array.tobytes("C"))))


def restored(content: bytes) -> Any:
    """As ``msgpack_restore``."""

    def unpack(code: int, packed: bytes) -> Any:
        shape, dtype, data = msgpack.unpackb(packed)
        array = np.ndarray(shape, np.dtype(getattr(ml_dtypes, dtype, dtype)), data)
        return array[()] if code == 3 else array

    return msgpack.unpackb(content, ext_hook=unpack, strict_map_key=False)
