"""Blocks as numbers, element by element as the C sources of ggml have them.

The plug-in for GGUF compares with its reference reader, bit for bit.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest

from git_theta.tensors.block_values import BLOCK_DECODERS, decode_blocks
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import codes_of, numbers_of, numbers_per_code


def decoded(name: str, *blocks: bytes) -> list[float]:
    data = b"".join(blocks)
    assert len(data) == len(blocks) * BY_NAME[name].bits // 8
    return decode_blocks(np.frombuffer(data, np.uint8).reshape(len(blocks), -1), name).reshape(-1).tolist()


def half(value: float) -> bytes:
    return struct.pack("<e", value)


@pytest.mark.parametrize("name", BLOCK_DECODERS)
def test_a_block_has_as_many_numbers_as_its_dtype_says(name: str) -> None:
    dtype = BY_NAME[name]
    codes = codes_of(bytes(3 * dtype.bits // 8), dtype)
    values = numbers_of(codes, dtype)
    assert (codes.shape, values.shape) == ((3, dtype.bits // 8), (3 * numbers_per_code(dtype),))
    assert values.dtype == np.float32


def test_q8_0_is_a_scale_times_signed_bytes() -> None:
    codes = [-128, 127, *range(30)]
    assert decoded("Q8_0", half(0.5) + struct.pack("32b", *codes)) == [code / 2 for code in codes]


def test_q4_0_has_the_first_half_in_the_low_nibbles() -> None:
    low, high = list(range(16)), list(reversed(range(16)))
    packed = bytes(one | other << 4 for one, other in zip(low, high, strict=True))
    assert decoded("Q4_0", half(2) + packed) == [2 * (code - 8) for code in low + high]


def test_q5_1_has_its_fifth_bits_before_the_others() -> None:
    fifth = 0xF0F0_00FF
    codes = [(at % 16) | (fifth >> at & 1) << 4 for at in range(32)]
    packed = bytes(at | at << 4 for at in range(16))
    assert decoded("Q5_1", half(0.25) + half(-1) + fifth.to_bytes(4, "little") + packed) == [
        code / 4 - 1 for code in codes
    ]


def test_q4_k_has_eight_scales_and_minimums_of_six_bits() -> None:
    scales, minimums = [1, 2, 3, 63, 16, 33, 50, 63], [0, 1, 62, 63, 17, 34, 51, 60]
    packed = bytearray(12)
    for at in range(4):
        packed[at] = scales[at] | scales[at + 4] >> 4 << 6
        packed[at + 4] = minimums[at] | minimums[at + 4] >> 4 << 6
        packed[at + 8] = scales[at + 4] & 15 | (minimums[at + 4] & 15) << 4
    codes = bytes(at % 16 | (15 - at % 16) << 4 for at in range(128))
    found = decoded("Q4_K", half(1) + half(0.5) + bytes(packed) + codes)
    for part in range(8):
        nibbles = [codes[part // 2 * 32 + at] >> 4 * (part % 2) & 15 for at in range(32)]
        assert found[part * 32 : part * 32 + 32] == [scales[part] * code - minimums[part] / 2 for code in nibbles]


def test_q6_k_has_its_upper_bits_apart() -> None:
    low, high = bytes(at * 7 % 256 for at in range(128)), bytes(at * 11 % 256 for at in range(64))
    scales = struct.pack("16b", *range(-8, 8))
    found = decoded("Q6_K", low + high + scales + half(2))
    for at in range(256):
        side, within = divmod(at, 128)
        quarter, place = divmod(within, 32)
        nibble = low[side * 64 + (quarter % 2) * 32 + place] >> 4 * (quarter // 2) & 15
        code = nibble | (high[side * 32 + place] >> 2 * quarter & 3) << 4
        assert found[at] == 2 * (at // 16 - 8) * (code - 32)


def test_mxfp4_scales_by_a_power_of_two() -> None:
    packed = bytes(at | (15 - at) << 4 for at in range(16))
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    every = [*positive, *(-value for value in positive)]
    assert decoded("MXFP4", bytes([128]) + packed) == [2 * value for value in every + every[::-1]]
    assert decoded("MXFP4", bytes([0]) + b"\x22" * 16) == [2.0**-127] * 32


def test_a_scale_that_is_no_number_gives_none_without_a_warning() -> None:
    assert np.isnan(decoded("Q8_0", half(float("inf")) + bytes(32))).all()
