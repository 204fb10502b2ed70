"""Numbers that are coded in blocks, with their scales between them: what GGUF's quantised dtypes stand for.

Source: ``dequantize_row_*`` in ``ggml/src/ggml-quants.c``, and ``gguf/quants.py`` of the package gguf 0.19, whose fp32
these are bit for bit (the tests of the plug-in ``git-theta-gguf``). A block has a scale d in fp16, of some dtypes a
minimum m; codes q of 2 to 8 bits; and of the K kinds scales of its sub-blocks. An element is d q, or d q - m, in fp32.

IQ1, IQ2, IQ3 take their elements from tables of a thousand rows, TQ and Q1 are ternary and binary, NVFP4 is of one
vendor, and Q8_1 and Q8_K are of no file: they have no values here, and are blocks that are equal or not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = NDArray[np.uint8]
    Floats = NDArray[np.float32]

_NONLINEAR = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""``kvalues_iq4nl``: what the codes of IQ4 stand for."""
_E2M1_DOUBLED = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
"""``kvalues_mxfp4``: twice the numbers of F4, whose scales are halved for that."""
_SUBBLOCKS_SCALES = 12
"""Bytes of the scales and minimums, 6 bits each, of 8 sub-blocks."""


def decode_blocks(blocks: Blocks, name: str) -> Floats:
    """The elements of whole blocks.

    Args:
        blocks: uint8 (n, bytes of a block).
        name: of the dtype, one of ``BLOCK_DECODERS``.

    Returns fp32 (n, elements of a block).
    """
    import numpy as np

    with np.errstate(all="ignore"):
        found: Floats = BLOCK_DECODERS[name](blocks)
    return found


def _decode_plain(blocks: Blocks, *, offset: int, bits: int, minimum: bool = False) -> Floats:
    """Q4_0 to Q8_0: one scale, perhaps a minimum, perhaps the fifth bits, then the codes."""
    scales = _read_halves(blocks, 0)
    at = 4 if minimum else 2
    if bits == 8:
        return scales * _as_floats(blocks[:, at:].view("i1"))
    codes = _unpack_fields(blocks[:, -16:], 4, 16)
    if bits == 5:
        codes |= _unpack_fields(blocks[:, at : at + 4], 1, 1) << 4
    values = scales * _as_floats(codes.astype("i1") - offset)
    return values + _read_halves(blocks, 2) if minimum else values


def _decode_q2_k(blocks: Blocks) -> Floats:
    scales, codes = blocks[:, :16], _unpack_fields(blocks[:, 16:80], 2, 32)
    return _scale_parts(
        codes, _read_halves(blocks, 80) * _as_floats(scales & 15), _read_halves(blocks, 82) * _as_floats(scales >> 4)
    )


def _decode_q3_k(blocks: Blocks) -> Floats:
    codes = _unpack_fields(blocks[:, 32:96], 2, 32).astype("i1")
    codes -= ((_unpack_fields(blocks[:, :32], 1, 32) ^ 1) << 2).astype("i1")
    low, high = _unpack_fields(blocks[:, 96:104], 4, 8), _unpack_fields(blocks[:, 104:108], 2, 4)
    scales = (low | high << 4).astype("i1") - 32
    return _scale_parts(codes, _read_halves(blocks, 108) * _as_floats(scales))


def _decode_q45_k(blocks: Blocks, *, bits: int) -> Floats:
    """Q4_K, and Q5_K, whose fifth bits stand between the scales and the codes."""
    scales = blocks[:, 4 : 4 + _SUBBLOCKS_SCALES]
    codes = _unpack_fields(blocks[:, -128:], 4, 32)
    if bits == 5:
        codes |= _unpack_fields(blocks[:, 16:48], 1, 32) << 4
    factors, minimums = _unpack_sub_scales(scales)
    return _scale_parts(
        codes, _read_halves(blocks, 0) * _as_floats(factors), _read_halves(blocks, 2) * _as_floats(minimums)
    )


def _decode_q6_k(blocks: Blocks) -> Floats:
    codes = _unpack_fields(blocks[:, :128], 4, 64) | _unpack_fields(blocks[:, 128:192], 2, 32) << 4
    return _scale_parts(codes.astype("i1") - 32, _read_halves(blocks, 208) * _as_floats(blocks[:, 192:208].view("i1")))


def _decode_iq4_nl(blocks: Blocks) -> Floats:
    return _read_halves(blocks, 0) * _look_up(_NONLINEAR, _unpack_fields(blocks[:, 2:], 4, 16))


def _decode_iq4_xs(blocks: Blocks) -> Floats:
    high, low = _unpack_fields(blocks[:, 2:4], 2, 1), _unpack_fields(blocks[:, 4:8], 4, 1)
    scales = _as_floats((low | high << 4).astype("i1") - 32)
    return _scale_parts(_look_up(_NONLINEAR, _unpack_fields(blocks[:, 8:], 4, 16)), _read_halves(blocks, 0) * scales)


def _decode_mxfp4(blocks: Blocks) -> Floats:
    """E8M0 scales, halved: 2 ** (e - 128), of which the two smallest are subnormal."""
    import numpy as np

    exponents = blocks[:, :1].astype("u4")
    scales = np.where(exponents < 2, np.uint32(0x200000) << exponents, (exponents - 1) << 23).view("f4")
    return scales * _look_up(_E2M1_DOUBLED, _unpack_fields(blocks[:, 1:], 4, 16))


def _scale_parts(codes: NDArray[Any], scales: Floats, minimums: Floats | None = None) -> Floats:
    """Codes (n, elements) times a scale for each of their sub-blocks (n, sub-blocks), less a minimum."""
    count, parts = scales.shape
    values: Floats = scales[:, :, None] * _as_floats(codes).reshape(count, parts, codes.shape[1] // parts)
    if minimums is not None:
        values -= minimums[:, :, None]
    return values.reshape(codes.shape)


def _unpack_sub_scales(packed: Blocks) -> tuple[Blocks, Blocks]:
    """``get_scale_min_k4``: of 8 scales and 8 minimums 4 each have 6 bits of a byte, the others 2 and a nibble."""
    import numpy as np

    first, second, nibbles = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = [first & 63, (nibbles & 15) | (first >> 6) << 4]
    minimums = [second & 63, (nibbles >> 4) | (second >> 6) << 4]
    return np.concatenate(scales, axis=1), np.concatenate(minimums, axis=1)


def _unpack_fields(packed: Blocks, bits: int, run: int) -> Blocks:
    """Fields of 1, 2 or 4 bits, (n, fields): of each ``run`` bytes the lowest bits of all, then those above them."""
    import numpy as np

    count, size = packed.shape
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    fields: Blocks = np.right_shift(packed.reshape(count, size // run, 1, run), shifts)
    fields &= (1 << bits) - 1
    return fields.reshape(count, size * (8 // bits))


def _read_halves(blocks: Blocks, at: int) -> Floats:
    """The fp16 at that byte of each block, as fp32 (n, 1)."""
    return _as_floats(blocks[:, at : at + 2].copy().view("<f2"))


def _look_up(table: tuple[int, ...], codes: Blocks) -> Floats:
    import numpy as np

    return np.take(np.array(table, np.float32), codes)


def _as_floats(numbers: NDArray[Any]) -> Floats:
    found: Floats = numbers.astype("f4")
    return found


BLOCK_DECODERS: dict[str, Callable[[Blocks], Floats]] = {
    "Q4_0": partial(_decode_plain, bits=4, offset=8),
    "Q4_1": partial(_decode_plain, bits=4, offset=0, minimum=True),
    "Q5_0": partial(_decode_plain, bits=5, offset=16),
    "Q5_1": partial(_decode_plain, bits=5, offset=0, minimum=True),
    "Q8_0": partial(_decode_plain, bits=8, offset=0),
    "Q2_K": _decode_q2_k,
    "Q3_K": _decode_q3_k,
    "Q4_K": partial(_decode_q45_k, bits=4),
    "Q5_K": partial(_decode_q45_k, bits=5),
    "Q6_K": _decode_q6_k,
    "IQ4_NL": _decode_iq4_nl,
    "IQ4_XS": _decode_iq4_xs,
    "MXFP4": _decode_mxfp4,
}
"""Dtype to what gives its blocks' elements."""
