"""The numbers that GGUF has for types of tensors and of metadata.

Source: ``enum ggml_type`` and ``enum gguf_metadata_value_type`` of the specification
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); types 40 and 41 as the package gguf 0.19 has them. Numbers
that are not here were removed (4, 5, 31 to 33, 36 to 38), or are newer.
"""

from __future__ import annotations

from enum import IntEnum

from git_theta.tensors.dtypes import BY_NAME, DType

_TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}  # fmt: skip
DTYPES: dict[int, DType] = {number: BY_NAME[name] for number, name in _TENSOR_TYPES.items()}
"""Type of a tensor to dtype."""
TENSOR_TYPES: dict[str, int] = {name: number for number, name in _TENSOR_TYPES.items()}
"""Name of a dtype to type of a tensor."""


class ValueType(IntEnum):
    """``GGUF_METADATA_VALUE_TYPE_*``."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


PACKED = {
    ValueType.UINT8: "B", ValueType.INT8: "b", ValueType.UINT16: "H", ValueType.INT16: "h", ValueType.UINT32: "I",
    ValueType.INT32: "i", ValueType.FLOAT32: "f", ValueType.BOOL: "?", ValueType.UINT64: "Q", ValueType.INT64: "q",
    ValueType.FLOAT64: "d",
}  # fmt: skip
"""Types of one size, as ``struct`` spells them."""
