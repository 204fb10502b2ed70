"""Element types: every dtype that safetensors 0.8 and torch 2.13 can write.

One table. ``name`` is the safetensors spelling where safetensors has one, else the torch spelling in capitals.
Only sizes matter here: storing a tensor never needs its values, so neither numpy nor torch is imported.
Sources: the safetensors format (``Dtype`` in safetensors 0.8); ``torch.storage`` and ``c10/core/ScalarType.h`` (2.13).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

DTypeKind = Literal["float", "int", "uint", "bool", "complex", "quantized", "bits"]


class DType(NamedTuple):
    """An element type.

    Attributes:
        name: how manifests spell it.
        bits: size of one element in bits, below 8 for packed types; of a ``block`` of them, where it is larger than 1.
        kind: what the bits mean.
        torch: the attribute of ``torch`` with the same meaning, or "" where torch has none.
        storage: the typed storage class that legacy and zip pickles name, or "".
        block: elements that are coded together: Q4_K of GGUF has 256 in 144 bytes, and no whole bits for one of them.
    """

    name: str
    bits: int
    kind: DTypeKind
    torch: str = ""
    storage: str = ""
    block: int = 1

    @property
    def width(self) -> int:
        """Bytes of one number: what an element is made of, at least 1. A complex element is two numbers."""
        return 1 if self.block > 1 else max(1, self.bits // (16 if self.kind == "complex" else 8))

    def count_bytes(self, elements: int) -> int:
        """Bytes of so many elements, packed: what is less than a block takes a block, less than a byte a byte."""
        return (-(-elements // self.block) * self.bits + 7) // 8


_DTYPES = (
    DType("F64", 64, "float", "float64", "DoubleStorage"),
    DType("F32", 32, "float", "float32", "FloatStorage"),
    DType("F16", 16, "float", "float16", "HalfStorage"),
    DType("BF16", 16, "float", "bfloat16", "BFloat16Storage"),
    DType("F8_E4M3", 8, "float", "float8_e4m3fn"),
    DType("F8_E5M2", 8, "float", "float8_e5m2"),
    DType("F8_E4M3FNUZ", 8, "float", "float8_e4m3fnuz"),
    DType("F8_E5M2FNUZ", 8, "float", "float8_e5m2fnuz"),
    DType("F8_E8M0", 8, "float", "float8_e8m0fnu"),
    DType("F6_E2M3", 6, "float"),
    DType("F6_E3M2", 6, "float"),
    DType("F4", 4, "float"),
    DType("F4_E2M1X2", 8, "float", "float4_e2m1fn_x2"),
    DType("I64", 64, "int", "int64", "LongStorage"),
    DType("I32", 32, "int", "int32", "IntStorage"),
    DType("I16", 16, "int", "int16", "ShortStorage"),
    DType("I8", 8, "int", "int8", "CharStorage"),
    DType("U64", 64, "uint", "uint64"),
    DType("U32", 32, "uint", "uint32"),
    DType("U16", 16, "uint", "uint16"),
    DType("U8", 8, "uint", "uint8", "ByteStorage"),
    DType("BOOL", 8, "bool", "bool", "BoolStorage"),
    DType("C32", 32, "complex", "complex32"),
    DType("C64", 64, "complex", "complex64", "ComplexFloatStorage"),
    DType("C128", 128, "complex", "complex128", "ComplexDoubleStorage"),
    DType("QINT8", 8, "quantized", "qint8", "QInt8Storage"),
    DType("QUINT8", 8, "quantized", "quint8", "QUInt8Storage"),
    DType("QINT32", 32, "quantized", "qint32", "QInt32Storage"),
    DType("QUINT4X2", 8, "quantized", "quint4x2", "QUInt4x2Storage"),
    DType("QUINT2X4", 8, "quantized", "quint2x4", "QUInt2x4Storage"),
    DType("BITS1X8", 8, "bits", "bits1x8"),
    DType("BITS2X4", 8, "bits", "bits2x4"),
    DType("BITS4X2", 8, "bits", "bits4x2"),
    DType("BITS8", 8, "bits", "bits8"),
    DType("BITS16", 16, "bits", "bits16"),
    *(DType(f"U{n}", 8, "bits", f"uint{n}") for n in range(1, 8)),
    *(DType(f"I{n}", 8, "bits", f"int{n}") for n in range(1, 8)),
)

BY_NAME = {dtype.name: dtype for dtype in _DTYPES}
BY_TORCH = {dtype.torch: dtype for dtype in _DTYPES if dtype.torch}
BY_STORAGE = {dtype.storage: dtype for dtype in _DTYPES if dtype.storage}
