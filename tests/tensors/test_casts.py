"""Casts of floats in integers: against torch's, against numbers one at a time, and NaN."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.tensors.dtypes import BY_NAME
from tests.spec.independent_delta import cast

PAIRS = list(permutations(CASTS, 2))
ROUNDED_TWICE = [("F64", "F16"), ("F64", "BF16")]
"""What torch casts by way of fp32."""


def all_kinds(name: str) -> Any:
    """Codes of a dtype: all of 16 bits; else of every exponent, and near what rounds differently in narrower ones."""
    width = CASTS[name].width
    if width == 2:
        return np.arange(1 << 16, dtype="<u2")
    generator = np.random.default_rng(3)
    drawn = generator.integers(0, 1 << 8 * width, 1 << 17, f"<u{width}", endpoint=False)
    narrow = np.concatenate([cast_codes(np.arange(1 << 16, dtype="<u2"), each, name) for each in ("F16", "BF16")])
    near = [narrow + np.array(step, f"<i{width}").view(f"<u{width}") for step in (-1, 0, 1)]
    halves = narrow[:-1] // 2 + narrow[1:] // 2
    return np.concatenate([drawn, *near, halves, halves + narrow.dtype.type(1)])


def is_nan(codes: Any, name: str) -> Any:
    kind = CASTS[name]
    return codes & codes.dtype.type((1 << 8 * kind.width - 1) - 1) > kind.infinity


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair not in ROUNDED_TWICE])
def test_numbers_are_what_torch_makes_of_them(source: str, target: str) -> None:
    codes = all_kinds(source)
    codes = codes[~is_nan(codes, source)]
    tensor = torch.from_numpy(codes.view(f"<i{CASTS[source].width}"))
    made = tensor.view(getattr(torch, BY_NAME[source].torch)).to(getattr(torch, BY_NAME[target].torch))
    expected = made.view(getattr(torch, f"int{8 * CASTS[target].width}")).numpy().view(f"<u{CASTS[target].width}")
    np.testing.assert_array_equal(cast_codes(codes, source, target), expected)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_codes_are_what_the_specification_says(source: str, target: str) -> None:
    codes = all_kinds(source)[::37]
    assert cast_codes(codes, source, target).tolist() == [cast(code, source, target) for code in codes.tolist()]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_nan_stays_nan(source: str, target: str) -> None:
    codes = all_kinds(source)
    codes = codes[is_nan(codes, source)]
    assert is_nan(cast_codes(codes, source, target), target).all()


def test_nothing_is_nothing() -> None:
    assert cast_codes(np.array([], "<u4"), "F32", "BF16").dtype == np.dtype("<u2")


def test_literal_codes() -> None:
    #                  1     tie to even  tie up      1e38 x 3.4  smallest    -0       NaN with a low bit
    codes = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x7F7FFFFF, 1, 0x80000000, 0xFF800001], "<u4")
    assert cast_codes(codes, "F32", "BF16").tolist() == [0x3F80, 0x3F80, 0x3F82, 0x7F80, 0, 0x8000, 0xFFC0]
    assert cast_codes(codes, "F32", "F16").tolist() == [0x3C00, 0x3C04, 0x3C0C, 0x7C00, 0, 0x8000, 0xFE00]
