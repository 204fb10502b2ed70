"""Element types: every dtype that safetensors 0.8, torch 2.13, ONNX 1.23 and GGUF 3 can write.

One table, of formats that plug-ins read too: a manifest is read where they are not installed. ``name`` is the
safetensors spelling where safetensors has one, else the torch spelling in capitals, else that of ONNX (whose
small integers are packed, where torch's take a byte each), else that of GGUF without ``GGML_TYPE_``.
Only sizes matter here: storing a tensor never needs its values, so neither numpy nor torch is imported.
Sources: the safetensors format (``Dtype`` in safetensors 0.8); ``torch.storage`` and ``c10/core/ScalarType.h`` (2.13);
``onnx/onnx.proto`` (1.23);
``enum ggml_type`` of the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), the sizes of
blocks as ``GGML_QUANT_SIZES`` of its reader has them (the package gguf 0.19).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

DTypeKind = Literal["float", "int", "uint", "bool", "complex", "quantized", "bits", "blocks"]


class DType(NamedTuple):
    """An element type.

    Attributes:
        name: how manifests spell it.
        bits: size of one element in bits, below 8 for packed types; of a ``block`` of them, where it is larger than 1.
        kind: what the bits mean. "quantized": codes whose scales are elsewhere; "blocks": codes that have theirs
            between them, in blocks, and stand for floating-point numbers.
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
    def is_floating(self) -> bool:
        """Whether its elements stand for floating-point numbers, complex ones among them: what weights are made of."""
        return self.kind in ("float", "complex", "blocks")

    @property
    def width(self) -> int:
        """Bytes of one number: what an element is made of, at least 1. A complex element is two numbers."""
        return 1 if self.block > 1 else max(1, self.bits // (16 if self.kind == "complex" else 8))

    def count_bytes(self, elements: int) -> int:
        """Bytes of so many elements, packed: what is less than a block takes a block, less than a byte a byte."""
        return (-(-elements // self.block) * self.bits + 7) // 8


_GGML_BLOCKS = (
    ("Q4_0", 32, 18), ("Q4_1", 32, 20), ("Q5_0", 32, 22), ("Q5_1", 32, 24), ("Q8_0", 32, 34), ("Q8_1", 32, 40),
    ("Q2_K", 256, 84), ("Q3_K", 256, 110), ("Q4_K", 256, 144), ("Q5_K", 256, 176), ("Q6_K", 256, 210),
    ("Q8_K", 256, 292), ("IQ1_S", 256, 50), ("IQ1_M", 256, 56), ("IQ2_XXS", 256, 66), ("IQ2_XS", 256, 74),
    ("IQ2_S", 256, 82), ("IQ3_XXS", 256, 98), ("IQ3_S", 256, 110), ("IQ4_NL", 32, 18), ("IQ4_XS", 256, 136),
    ("TQ1_0", 256, 54), ("TQ2_0", 256, 66), ("MXFP4", 32, 17), ("NVFP4", 64, 36), ("Q1_0", 128, 18),
)  # fmt: skip
"""Name, elements of a block, and its bytes."""
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
    DType("INT4", 4, "bits"),
    DType("UINT4", 4, "bits"),
    DType("INT2", 2, "bits"),
    DType("UINT2", 2, "bits"),
    *(DType(f"U{n}", 8, "bits", f"uint{n}") for n in range(1, 8)),
    *(DType(f"I{n}", 8, "bits", f"int{n}") for n in range(1, 8)),
    *(DType(name, 8 * size, "blocks", block=block) for name, block, size in _GGML_BLOCKS),
)

BY_NAME = {dtype.name: dtype for dtype in _DTYPES}
BY_TORCH = {dtype.torch: dtype for dtype in _DTYPES if dtype.torch}
BY_STORAGE = {dtype.storage: dtype for dtype in _DTYPES if dtype.storage}
