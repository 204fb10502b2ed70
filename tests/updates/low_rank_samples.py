"""Matrices into which adapters were merged, or that were scaled, as PEFT does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from git_theta.tensors.casts import cast_codes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values
from git_theta.updates.delta.predictions import find_prediction
from git_theta.updates.low_rank.factors import Factors, make_factors
from git_theta.updates.low_rank.matrix_change import MatrixPair
from git_theta.updates.low_rank.scale_prediction import Scales, make_scales
from tests.updates.delta_samples import weights


@dataclass(frozen=True)
class Updated:
    """A matrix, and the one that it came of."""

    values: MemoryValues
    base: MemoryValues

    @property
    def new(self) -> bytes:
        return b"".join(self.values.blocks())

    @property
    def old(self) -> bytes:
        return b"".join(self.base.blocks())


@dataclass(frozen=True)
class Merged(Updated):
    """A matrix with an adapter in it, the one without, and the adapter."""

    factors: Factors


@dataclass(frozen=True)
class Scaled(Updated):
    """A matrix whose rows or columns were scaled, the one before, and by what."""

    scales: Scales


def matrix_pair(values: Values, base: Values) -> MatrixPair:
    """What a search looks at."""
    prediction = find_prediction(values.spec.dtype, base.spec.dtype)
    assert prediction
    return MatrixPair(values, base, prediction)


def to_dtype(numbers: Any, dtype: str) -> bytes:
    """fp32 numbers as those of a dtype."""
    codes = np.ascontiguousarray(numbers, "<f4").reshape(-1).view("<u4")
    return (codes if dtype == "F32" else cast_codes(codes, "F32", dtype)).tobytes()


def from_dtype(data: bytes, dtype: str) -> Any:
    """And back."""
    if dtype == "F32":
        return np.frombuffer(data, "<f4")
    return cast_codes(np.frombuffer(data, f"<u{BY_NAME[dtype].width}"), dtype, "F32").view("<f4")


def draw_factors(
    shape: tuple[int, ...], rank: int, seed: int = 0, size: float = 0.03, dtype: str = "F32", scale: float = 2.0
) -> Factors:
    """An adapter whose product is ``size`` times as large as ``weights`` are."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    generator = np.random.default_rng(seed)
    right = generator.uniform(-1, 1, (rank, columns)) / columns**0.5
    left = generator.normal(0, 1, (rows, rank)) * np.exp(0.5 * generator.normal(0, 1, (rows, 1)))
    left *= size * 0.02 / max(float((scale * left[:100] @ right[:, :100]).std()), 1e-30)
    left, right = (from_dtype(to_dtype(each, dtype), dtype).reshape(each.shape) for each in (left, right))
    return make_factors(left, right, scale, rounds_product=dtype != "F32")


def merge_factors(
    dtype: str, shape: tuple[int, ...], rank: int, seed: int = 0, size: float = 0.03, cast: str = ""
) -> Merged:
    """``size``: of the change, relative to the weights. ``cast``: the dtype of the base, where it is another."""
    factors = draw_factors(shape, rank, seed, size, dtype)
    old = weights(cast or dtype, int(np.prod(shape)), seed)
    plain = to_dtype(from_dtype(old, cast), dtype) if cast else old
    change = (factors.left @ factors.right) * np.float32(factors.scale)
    if dtype != "F32":
        change = from_dtype(to_dtype(change, dtype), dtype).reshape(change.shape)
    new = to_dtype(from_dtype(plain, dtype) + change.reshape(-1), dtype)
    spec = Spec(BY_NAME[dtype], shape)
    return Merged(MemoryValues(spec, new), MemoryValues(Spec(BY_NAME[cast or dtype], shape), old), factors)


MERGED: dict[str, Callable[[], Merged]] = {
    "product rounded to BF16": lambda: merge_factors("BF16", (40, 30), 4),
    "product rounded to F16": lambda: merge_factors("F16", (30, 40), 4),
    "product of F32": lambda: merge_factors("F32", (20, 33), 3),
    "rank 1": lambda: merge_factors("BF16", (37, 11), 1),
    "convolution": lambda: merge_factors("F32", (8, 5, 3, 3), 2),
    "cast": lambda: merge_factors("BF16", (20, 30), 2, cast="F32"),
    "factors found": lambda: _with_noise(merge_factors("BF16", (40, 50), 3)),
    "grown": lambda: _without_rows(merge_factors("F32", (30, 20), 2), 7),
}  # fmt: skip
"""One for each way in which an adapter is stored."""


def _with_noise(merged: Merged) -> Merged:
    """The factors are nearly those that were merged, and the product is not rounded."""
    noise = np.random.default_rng(5).normal(1, 1e-2, merged.factors.left.shape)
    return replace(merged, factors=make_factors(merged.factors.left * noise, merged.factors.right, 2.0))


def _without_rows(merged: Merged, rows: int) -> Merged:
    """The base lacks the last rows."""
    spec = merged.base.spec
    shorter = Spec(spec.dtype, (spec.shape[0] - rows, *spec.shape[1:]))
    return replace(merged, base=MemoryValues(shorter, merged.old[: shorter.nbytes]))


def scale_matrix(dtype: str, shape: tuple[int, ...], axis: int, seed: int = 0, cast: str = "") -> Scaled:
    """As an adapter of IA3 is merged."""
    sides = (shape[0], int(np.prod(shape[1:])))
    numbers = np.random.default_rng(seed).normal(1, 0.05, sides[axis]).astype("<f4")
    old = weights(cast or dtype, int(np.prod(shape)), seed)
    plain = from_dtype(to_dtype(from_dtype(old, cast or dtype), dtype), dtype).reshape(sides)
    new = to_dtype(plain * np.expand_dims(numbers, 1 - axis), dtype)
    values, base = (
        MemoryValues(Spec(BY_NAME[dtype], shape), new),
        MemoryValues(Spec(BY_NAME[cast or dtype], shape), old),
    )
    return Scaled(values, base, make_scales(numbers, axis))


def _with_other_scales(scaled: Scaled) -> Scaled:
    """The scales are nearly those that were at work."""
    return replace(scaled, scales=make_scales(scaled.scales.numbers * np.float32(1.0005), scaled.scales.axis))


SCALED: dict[str, Callable[[], Scaled]] = {
    "rows of BF16": lambda: scale_matrix("BF16", (40, 30), 0),
    "columns of F16": lambda: scale_matrix("F16", (30, 40), 1),
    "columns of F32": lambda: scale_matrix("F32", (20, 33), 1),
    "rows of a convolution": lambda: scale_matrix("F32", (8, 5, 3, 3), 0),
    "rows of what was cast": lambda: scale_matrix("BF16", (20, 30), 0, cast="F32"),
    "scales that are nearly right": lambda: _with_other_scales(scale_matrix("BF16", (40, 50), 1)),
}
"""One for each way in which scales are stored."""
