"""What an archive of an exported program says of its weights: which tensors there are, and where each has its bytes.

Source: ``torch/export/pt2_archive/_package.py`` and ``torch/_export/serde/schema.py`` (2.13).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.layout import require_shape
from git_theta.tensors.dtypes import BY_TORCH, DType

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
    34: "uint32", 35: "uint64",
}  # fmt: skip
"""``ScalarType`` of the schema."""
_STRIDED = 7
"""``Layout.Strided`` of the schema."""


class PayloadTensor(NamedTuple):
    """A tensor of the program: its name, the member that holds its storage, and what of that it is."""

    name: str
    member: str
    dtype: DType
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


def read_payload(text: bytes) -> Iterator[PayloadTensor]:
    """The tensors whose bytes lie in members as they are, in the file's order.

    Those that are pickled, sparse, or of a size that is no number are left out. Raises FormatError for what is no such
    file.
    """
    try:
        config = json.loads(text)["config"]
        entries = list(config.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError("a list of the program's weights cannot be read") from error
    for name, entry in entries:
        tensor = _read_entry(name, entry)
        if tensor:
            yield tensor


def _read_entry(name: str, entry: Any) -> PayloadTensor | None:
    meta = entry.get("tensor_meta") if isinstance(entry, dict) else None
    if not isinstance(meta, dict) or entry.get("use_pickle") is not False or meta.get("layout") != _STRIDED:
        return None
    kind = meta.get("dtype")
    dtype = BY_TORCH.get(_DTYPES.get(kind, "")) if isinstance(kind, int) else None
    numbers = [_read_integers(meta.get(key)) for key in ("sizes", "strides")]
    offset = _read_integers([meta.get("storage_offset")])
    member = entry.get("path_name")
    if dtype is None or None in (*numbers, offset) or not isinstance(member, str):
        return None
    shape, stride = map(require_shape, numbers)
    if len(shape) != len(stride):
        raise FormatError("a tensor has not as many strides as dimensions", parameter=name)
    return PayloadTensor(name, member, dtype, shape, stride, *require_shape(offset))


def _read_integers(values: Any) -> list[object] | None:
    """Sizes as numbers; None where one of them is a symbol."""
    if not isinstance(values, list) or not all(isinstance(value, dict) and "as_int" in value for value in values):
        return None
    return [value["as_int"] for value in values]
