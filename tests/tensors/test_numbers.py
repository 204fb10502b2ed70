"""Bytes of any dtype as numbers: against torch where it has the dtype, and against the formats' own tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from git_theta.tensors.block_values import BLOCK_DECODERS
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.numbers import (
    FRACTION,
    SMALLEST,
    codes_of,
    distances,
    is_numeric,
    numbers_of,
    numbers_per_element,
)
from git_theta.tensors.torch_values import from_bytes

KNOWN = [dtype for dtype in BY_NAME.values() if is_numeric(dtype)]
WITHOUT_NUMBERS = {"QUINT4X2", "QUINT2X4", "BITS1X8", "BITS2X4", "BITS4X2", "BITS8", "BITS16"}
WITHOUT_NUMBERS |= {"INT4", "UINT4", "INT2", "UINT2"}
EVERY_BYTE = bytes(range(256)) * 16 + bytes(range(1, 256, 2)) * 32
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def values(data: bytes, dtype: DType) -> list[float]:
    return [float(value) for value in numbers_of(codes_of(data, dtype), dtype)]


def test_every_dtype_but_bits_has_numbers() -> None:
    unknown = {dtype.name for dtype in BY_NAME.values() if not is_numeric(dtype)}
    packed = {f"{sign}{bits}" for sign in "UI" for bits in range(1, 8)}
    blocks = {dtype.name for dtype in BY_NAME.values() if dtype.block > 1}
    assert unknown == WITHOUT_NUMBERS | packed | (blocks - BLOCK_DECODERS.keys())
    assert blocks > BLOCK_DECODERS.keys()


@pytest.mark.parametrize("name", [dtype.name for dtype in KNOWN if dtype.torch and dtype.name != "F4_E2M1X2"])
def test_numbers_are_those_of_torch(name: str) -> None:
    dtype = BY_NAME[name]
    if dtype.kind == "quantized":
        tensor = from_bytes(EVERY_BYTE, BY_NAME[name.removeprefix("Q").replace("UINT", "U").replace("INT", "I")])
    else:
        tensor = from_bytes(EVERY_BYTE, dtype)
    if dtype.kind == "complex":
        tensor = torch.view_as_real(tensor).reshape(-1)
    ours = numbers_of(codes_of(EVERY_BYTE, dtype), dtype)
    theirs = tensor.to(torch.float64).numpy() if dtype.kind in ("float", "complex") else tensor.numpy()
    np.testing.assert_array_equal(ours, theirs)
    real = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours[real]), np.signbit(theirs[real]))
    assert len(ours) == len(codes_of(EVERY_BYTE, dtype)) * numbers_per_element(dtype)


def test_f4_is_packed_from_the_low_bits() -> None:
    every = bytes(low | (low ^ 15) << 4 for low in range(16))
    expected = [value for low in range(16) for value in (signed(low), signed(low ^ 15))]
    assert values(every, BY_NAME["F4"]) == values(every, BY_NAME["F4_E2M1X2"]) == expected
    assert len(codes_of(every, BY_NAME["F4"])) == 32
    assert len(codes_of(every, BY_NAME["F4_E2M1X2"])) == 16


def signed(code: int) -> float:
    return -E2M1[code & 7] if code & 8 else E2M1[code]


@pytest.mark.parametrize(("name", "largest", "smallest"), [("F6_E2M3", 7.5, 0.125), ("F6_E3M2", 28.0, 0.0625)])
def test_f6_takes_four_elements_of_three_bytes(name: str, largest: float, smallest: float) -> None:
    packed = (0b011111 | 0b000001 << 6 | 0b100001 << 12 | 0b111111 << 18).to_bytes(3, "little")
    assert values(packed, BY_NAME[name]) == [largest, smallest, -smallest, -largest]
    assert SMALLEST[name] == smallest


@pytest.mark.parametrize("name", [name for name in FRACTION if BY_NAME[name].torch])
def test_fractions_and_steps_are_those_of_the_dtype(name: str) -> None:
    """The numbers at and after 1 are apart by a fraction's last bit, those at and after 0 by the smallest number."""
    dtype = BY_NAME[name]
    one = from_bytes(torch.ones(1, dtype=getattr(torch, dtype.torch)).view(torch.uint8).numpy().tobytes(), dtype)
    following = int.from_bytes(one.view(torch.uint8).numpy().tobytes(), "little") + 1
    assert values(following.to_bytes(dtype.bits // 8, "little"), dtype) == [1 + 2.0 ** -FRACTION[name]]
    assert values((1).to_bytes(dtype.bits // 8, "little"), dtype) == [SMALLEST[name]]


@pytest.mark.parametrize(("dtype", "low", "high"), [("<i8", -(1 << 63), (1 << 63) - 1), ("<u8", 0, (1 << 64) - 1)])
def test_distances_of_64_bit_integers_are_rounded_once(dtype: str, low: int, high: int) -> None:
    pairs = [(low, high), (high, low), (high, high - 1), (high - 1, high), (low, low), (low + 1, low)]
    before, after = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    assert distances(before, after).tolist() == [float(abs(b - a)) for a, b in pairs]


def test_elements_of_sixteen_bytes_are_two_codes() -> None:
    assert codes_of(bytes(32), BY_NAME["C128"]).shape == (2, 2)
