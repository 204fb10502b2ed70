"""The rank of a change: exact for merged adapters, none for training noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from git_theta.diffing.rank import BUCKETS, LIMIT, MAX_COLUMNS, make_sketch
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

Doubles = NDArray[np.float64]


def rounded(values: Doubles, dtype: str) -> Doubles:
    stored = torch.from_numpy(values).to(torch.float32).to(getattr(torch, BY_NAME[dtype].torch))
    exact: Doubles = stored.to(torch.float64).numpy()
    return exact


def rank(before: Doubles, after: Doubles, dtype: str = "F32", step: int = 5000) -> int | None:
    """The estimate from a stream of ``step`` elements at a time."""
    spec = Spec(BY_NAME[dtype], before.shape)
    sketch = make_sketch(spec)
    assert sketch
    change = (after - before).reshape(-1)
    for offset in range(0, len(change), step):
        sketch.add(offset, change[offset : offset + step])
    return sketch.estimate_rank(float(np.linalg.norm(after)), spec)


def update(shape: tuple[int, int], of_rank: int, share: float, weights: Doubles, seed: int = 0) -> Doubles:
    """A random matrix whose norm is a share of the weights' norm."""
    generator = np.random.default_rng(seed)
    rows, columns = shape
    change = generator.standard_normal((rows, of_rank)) @ generator.standard_normal((of_rank, columns))
    return np.asarray(change * (share * np.linalg.norm(weights) / np.linalg.norm(change)))


def weights(shape: tuple[int, ...], dtype: str) -> Doubles:
    return rounded(np.random.default_rng(42).standard_normal(shape) * 0.02, dtype)


SHAPES = [(96, 384), (384, 96), (300, 130)]


@pytest.mark.parametrize("of_rank", [1, 4, 8, 16])
@pytest.mark.parametrize(("dtype", "share"), [("F32", 1e-4), ("F32", 0.1), ("F16", 0.01), ("BF16", 0.03)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_merged_adapter_has_its_rank(shape: tuple[int, int], dtype: str, share: float, of_rank: int) -> None:
    before = weights(shape, dtype)
    after = rounded(before + update(shape, of_rank, share, before), dtype)
    assert rank(before, after, dtype) == of_rank


@pytest.mark.parametrize(("dtype", "share"), [("F32", 1e-4), ("F16", 0.01), ("BF16", 0.03)])
@pytest.mark.parametrize("shape", SHAPES)
def test_training_noise_has_full_rank(shape: tuple[int, int], dtype: str, share: float) -> None:
    before = weights(shape, dtype)
    assert rank(before, rounded(before + update(shape, 500, share, before), dtype), dtype) is None


def test_ranks_above_the_limit_are_not_told() -> None:
    before = weights((200, 200), "F32")
    assert rank(before, rounded(before + update((200, 200), LIMIT, 0.1, before), "F32")) == LIMIT
    assert rank(before, rounded(before + update((200, 200), LIMIT + 4, 0.1, before), "F32")) is None


def test_what_rounding_explains_has_rank_zero() -> None:
    exact = np.random.default_rng(1).standard_normal((128, 128))
    assert rank(exact, rounded(exact, "BF16"), "BF16") == 0


def test_columns_that_are_larger_than_others_are_no_rank() -> None:
    scale = np.ones(256)
    scale[[3, 77]] = 4
    before = rounded(np.random.default_rng(2).standard_normal((256, 256)) * scale, "BF16")
    assert rank(before, rounded(before + update((256, 256), 4, 0.05, before), "BF16"), "BF16") == 4


def test_a_few_rows_that_changed_have_their_rank() -> None:
    """New tokens of an embedding, in a row of their own each."""
    before = weights((500, 64), "F32")
    after = before.copy()
    after[490:] = weights((10, 64), "F32") * 2
    assert rank(before, after) == 10


@pytest.mark.parametrize("step", [1, 63, 64, 64 * BUCKETS + 1, 1 << 20])
def test_chunks_of_any_size_make_the_same_sketch(step: int) -> None:
    shape = (3 * BUCKETS + 5, 64) if step > 1 else (20, 9)
    whole, parts = (make_sketch(Spec(BY_NAME["F32"], shape)) for _ in range(2))
    assert whole
    assert parts
    change = np.random.default_rng(5).integers(-9, 9, shape).astype(np.float64).reshape(-1)
    for row in range(shape[0]):
        whole.add(row * shape[1], change[row * shape[1] : (row + 1) * shape[1]])
    for offset in range(0, len(change), step):
        parts.add(offset, change[offset : offset + step])
    np.testing.assert_array_equal(whole._sums, parts._sums)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("F32", (1000,)),
        ("F32", ()),
        ("I32", (64, 64)),
        ("C64", (64, 64)),
        ("F32", (7, 64)),
        ("F32", (64, MAX_COLUMNS + 1)),
    ],
)
def test_some_have_none(dtype: str, shape: tuple[int, ...]) -> None:
    assert make_sketch(Spec(BY_NAME[dtype], shape)) is None


def test_a_convolution_is_a_matrix_of_its_first_dimension() -> None:
    before = weights((32, 16, 3, 3), "F32")
    flat = update((32, 144), 2, 0.1, before).reshape(before.shape)
    assert rank(before, rounded(before + flat, "F32")) == 2


def test_numbers_beyond_the_sketch_have_no_rank() -> None:
    before = np.zeros((16, 16))
    with np.errstate(over="ignore", invalid="ignore"):
        assert rank(before, before + 1e200, "F64") is None


def test_weights_that_were_zero_have_the_rank_of_what_they_became() -> None:
    before = np.zeros((64, 96))
    assert rank(before, rounded(update((64, 96), 3, 1.0, before + 1), "F32")) == 3
