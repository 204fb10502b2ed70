"""Rows or columns that somebody multiplied are found, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from git_theta.serializers.frames import FramesSerializer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, special_bytes
from git_theta.updates.base import SEARCH_BUDGET
from git_theta.updates.delta.sampled_blocks import pair_blocks
from git_theta.updates.low_rank.find_scales import find_scales
from git_theta.updates.low_rank.scale_prediction import make_scales
from git_theta.updates.low_rank.scale_update import ScaleUpdate
from tests.updates.delta_samples import pruned, trained, weights
from tests.updates.low_rank_samples import Scaled, from_dtype, matrix_pair, merge_factors, scale_matrix, to_dtype

SHAPE = (160, 120)


def stored_size(scaled: Scaled) -> int:
    """What is found comes back; how many bytes it takes."""
    coder = ScaleUpdate().coder(scaled.values, scaled.base, {})
    assert coder is not None
    pairs = list(pair_blocks(scaled.values, scaled.base))
    lists = [*coder.head, *(coder.encode(at, *pair) for at, pair in enumerate(pairs))]
    stored = iter(lists)
    decoder = ScaleUpdate().decoder(scaled.values.spec, stored, coder.options)
    restored = (decoder.decode(at, next(stored), base_block) for at, (_, base_block) in enumerate(pairs))
    assert b"".join(map(bytes, restored)) == scaled.new
    return sum(len(piece) for piece in FramesSerializer().encode(lists, map))


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [SHAPE, (1000, 400), (64, 8, 3, 3)])
def test_what_was_scaled_is_stored_as_its_scales(dtype: str, axis: int, shape: tuple[int, ...]) -> None:
    """To hardly more than the scales themselves: next to nothing is left of the matrix."""
    scaled = scale_matrix(dtype, shape, axis)
    assert stored_size(scaled) < 5 * len(scaled.scales.numbers) + 600


def test_scales_of_fp32_are_found_to_the_last_bit() -> None:
    scaled = scale_matrix("F32", (300, 500), 0)
    found = find_scales(matrix_pair(scaled.values, scaled.base))
    assert found is not None
    assert found.axis == 0
    assert np.mean(found.numbers == scaled.scales.numbers) > 0.9


def test_a_cast_base_negative_scales_and_zeros() -> None:
    cast = scale_matrix("BF16", SHAPE, 1, cast="F32")
    assert stored_size(cast) < 5 * SHAPE[1] + 600
    scaled = scale_matrix("F32", SHAPE, 0)
    old = from_dtype(scaled.old, "F32").reshape(SHAPE).copy()
    old[::7] = 0
    numbers = scaled.scales.numbers.copy()
    numbers[::3] *= -1
    spec = scaled.values.spec
    values = MemoryValues(spec, to_dtype(old * numbers[:, None], "F32"))
    assert (
        stored_size(Scaled(values, MemoryValues(spec, to_dtype(old, "F32")), make_scales(numbers, 0)))
        < 5 * SHAPE[0] + 700
    )


OTHERS: dict[str, Callable[[bytes], bytes]] = {
    "a fine-tune": lambda old: trained(old, "BF16", 1e-5),
    "a large fine-tune": lambda old: trained(old, "BF16", 1e-2),
    "pruned": lambda old: pruned(old, "BF16"),
    "the same": lambda old: old,
    "noise": lambda old: noise_bytes(len(old)),
    "not finite": lambda old: special_bytes(len(old), 2),
    "some rows": lambda old: trained(old[: len(old) // 20 * 2], "BF16", 1e-3) + old[len(old) // 20 * 2 :],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_changes_are_no_scales(kind: str) -> None:
    spec = Spec(BY_NAME["BF16"], SHAPE)
    old = weights("BF16", SHAPE[0] * SHAPE[1])
    values, base = MemoryValues(spec, OTHERS[kind](old)), MemoryValues(spec, old)
    assert find_scales(matrix_pair(values, base)) is None
    assert ScaleUpdate().coder(values, base, {}) is None


def test_an_adapter_is_no_scale() -> None:
    merged = merge_factors("BF16", SHAPE, 4)
    assert find_scales(matrix_pair(merged.values, merged.base)) is None


def test_rows_that_were_trained_after_it_are_no_hindrance() -> None:
    scaled = scale_matrix("F32", SHAPE, 0)
    rows = 4 * SHAPE[1] * 4
    new = scaled.new[:-rows] + trained(scaled.new[-rows:], "F32", 1e-4)
    size = stored_size(replace(scaled, values=MemoryValues(scaled.values.spec, new)))
    assert size < scaled.values.size / 8


def test_small_matrices_are_left_alone() -> None:
    scaled = scale_matrix("F32", (40, 200), 0)
    assert find_scales(matrix_pair(scaled.values, scaled.base)) is None


def test_what_may_take_no_time_is_not_looked_for() -> None:
    scaled = scale_matrix("F32", (400, 300), 0)
    pair = matrix_pair(scaled.values, scaled.base)
    assert find_scales(pair, 0) is None
    assert find_scales(pair, 100) is not None
    assert ScaleUpdate().coder(scaled.values, scaled.base, {SEARCH_BUDGET: 0}) is None
