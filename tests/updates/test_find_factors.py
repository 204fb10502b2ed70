"""Adapters that somebody else merged are found, and nothing else is taken for one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from git_theta.serializers.frames import FramesSerializer
from git_theta.tensors.arrays import BLOCK, Arrays, Buffer
from git_theta.tensors.blas import one_thread
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values
from git_theta.testing.blocks import noise_bytes
from git_theta.updates.base import SEARCH_BUDGET, Update
from git_theta.updates.delta.delta_update import DeltaUpdate
from git_theta.updates.delta.sampled_blocks import pair_blocks
from git_theta.updates.low_rank.find_factors import find_factors
from git_theta.updates.low_rank.low_rank_update import LowRankUpdate
from tests.updates.delta_samples import pruned, trained, weights
from tests.updates.low_rank_samples import Merged, from_dtype, matrix_pair, merge_factors, to_dtype

SHAPE = (320, 256)


def encode(update: Update, values: Values, base: Values) -> list[Arrays] | None:
    """All lists; None where the update does not pay."""
    coder = update.coder(values, base, {})
    if coder is None:
        return None
    return [*coder.head, *(coder.encode(at, *pair) for at, pair in enumerate(pair_blocks(values, base)))]


def stored_size(lists: list[Arrays] | None) -> int:
    assert lists is not None
    return sum(len(piece) for piece in FramesSerializer().encode(lists, map))


def require_exact(merged: Merged) -> int:
    """What is found comes back; how many bytes it takes."""
    coder = LowRankUpdate().coder(merged.values, merged.base, {})
    assert coder is not None
    lists = encode(LowRankUpdate(), merged.values, merged.base)
    assert lists is not None
    stored = iter(lists)
    decoder = LowRankUpdate().decoder(merged.values.spec, stored, coder.options)
    beside = (base_block for _, base_block in pair_blocks(merged.values, merged.base))
    assert b"".join(bytes(decoder.decode(at, *pair)) for at, pair in enumerate(zip(stored, beside, strict=False))) == (
        merged.new
    )
    return stored_size(lists)


@pytest.mark.parametrize(("dtype", "least"), [("BF16", 9), ("F16", 8), ("F32", 9)])
@pytest.mark.parametrize("shape", [(640, 512), (512, 640)])
def test_an_adapter_is_found(dtype: str, least: float, shape: tuple[int, int]) -> None:
    """Many times smaller than raw, and than the plain difference."""
    merged = merge_factors(dtype, shape, 16)
    found = find_factors(matrix_pair(merged.values, merged.base))
    assert found is not None
    assert found.rank == 16
    size = require_exact(merged)
    assert merged.values.size / size > least
    assert size < 0.4 * stored_size(encode(DeltaUpdate(), merged.values, merged.base))


def test_a_search_that_would_take_longer_than_it_may_is_not_begun() -> None:
    """By what shape and rank tell: the same on every machine."""
    merged = merge_factors("BF16", (640, 512), 16)
    pair = matrix_pair(merged.values, merged.base)
    needed = next(budget for budget in range(10**6) if find_factors(pair, budget) is not None)
    assert 5 < needed < 200
    assert find_factors(pair, needed - 1) is None
    assert LowRankUpdate().coder(merged.values, merged.base, {SEARCH_BUDGET: needed - 1}) is None
    assert LowRankUpdate().coder(merged.values, merged.base, {SEARCH_BUDGET: needed}) is not None
    thin = merge_factors("BF16", (640, 512), 2)
    assert find_factors(matrix_pair(thin.values, thin.base), needed - 1) is not None


@pytest.mark.parametrize("size", [0.01, 0.1, 1.0])
def test_large_and_small_changes(size: float) -> None:
    merged = merge_factors("BF16", SHAPE, 4, size=size)
    plain = encode(DeltaUpdate(), merged.values, merged.base)
    assert require_exact(merged) < 0.6 * (stored_size(plain) if plain else merged.values.size / 2)


@pytest.mark.parametrize(
    ("dtype", "shape", "rank"), [("F32", (1200, 900), 45), ("F32", SHAPE, 64), ("BF16", SHAPE, 48)]
)
def test_a_rank_that_takes_a_large_sample_to_tell(dtype: str, shape: tuple[int, int], rank: int) -> None:
    merged = merge_factors(dtype, shape, rank)
    found = find_factors(matrix_pair(merged.values, merged.base))
    assert found is not None
    assert found.rank == rank
    assert require_exact(merged) < 0.85 * stored_size(encode(DeltaUpdate(), merged.values, merged.base))


def test_convolutions_and_casts() -> None:
    for merged in (merge_factors("F32", (256, 64, 3, 3), 4), merge_factors("BF16", SHAPE, 4, size=1.0, cast="F32")):
        require_exact(merged)


def test_rows_without_a_change_and_numbers_that_are_not_finite() -> None:
    merged = merge_factors("F32", SHAPE, 4)
    new = np.frombuffer(merged.new, "<f4").copy()
    new[: 40 * 256] = np.frombuffer(merged.old, "<f4")[: 40 * 256]
    new[[5, 77_000]] = np.nan, -np.inf
    spec = merged.values.spec
    require_exact(replace(merged, values=MemoryValues(spec, new.tobytes())))


def changed(make_change: Callable[[bytes], bytes], dtype: str = "F32", shape: tuple[int, ...] = SHAPE) -> Merged:
    """Weights and what becomes of them; without factors."""
    spec = Spec(BY_NAME[dtype], shape)
    old = weights("F32" if dtype == "I32" else dtype, spec.elements)
    merged = merge_factors("F32", (2, 2), 1)
    return Merged(MemoryValues(spec, make_change(old)), MemoryValues(spec, old), merged.factors)


def move_rows(old: bytes) -> bytes:
    """A tenth of the rows moved, as of an embedding."""
    numbers = np.frombuffer(old, "<f4").copy().reshape(SHAPE)
    numbers[::10] += np.random.default_rng(1).normal(0, 1e-3, numbers[::10].shape).astype("<f4")
    return numbers.tobytes()


NO_ADAPTERS: dict[str, Merged] = {
    "fine-tune": changed(lambda old: trained(old, "F32", 1e-4)),
    "fine-tune of bf16": changed(lambda old: trained(old, "BF16", 1e-4), "BF16"),
    "hardly above rounding": changed(lambda old: trained(old, "BF16", 2e-4), "BF16"),
    "larger": changed(lambda old: trained(old, "BF16", 2e-3), "BF16"),
    "unrelated": changed(lambda old: weights("F32", len(old) // 4, 9)),
    "noise": changed(lambda old: noise_bytes(len(old))),
    "nothing": changed(lambda old: old),
    "scaled": changed(lambda old: (np.frombuffer(old, "<f4") * np.float32(1.01)).tobytes()),
    "pruned": changed(lambda old: pruned(old, "F32")),
    "some rows": changed(move_rows),
    "zeros": changed(lambda old: bytes(len(old))),
    "small": changed(lambda old: trained(old, "F32", 1e-4), shape=(40, 2048)),
    "one dimension": changed(lambda old: trained(old, "F32", 1e-4), shape=(81_920,)),
    "integers": changed(lambda old: old[::-1], "I32"),
}


@pytest.mark.parametrize("kind", NO_ADAPTERS)
def test_nothing_else_is_taken_for_one(kind: str) -> None:
    other = NO_ADAPTERS[kind]
    assert LowRankUpdate().coder(other.values, other.base, {}) is None


def test_a_base_of_another_shape_is_not_looked_at() -> None:
    merged = merge_factors("F32", SHAPE, 4)
    other = MemoryValues(Spec(BY_NAME["F32"], (256, 320)), merged.old)
    assert LowRankUpdate().coder(merged.values, other, {}) is None


def test_l2_the_same_factors_whatever_threads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = merge_factors("BF16", SHAPE, 8)
    first = encode(LowRankUpdate(), merged.values, merged.base)
    with one_thread():
        assert encode(LowRankUpdate(), merged.values, merged.base) == first
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert encode(LowRankUpdate(), merged.values, merged.base) == first


class RepeatedValues:
    """One block over and over; counts how often one is read."""

    def __init__(self, block: bytes, times: int) -> None:
        self.spec = Spec(BY_NAME["F32"], (256 * times, 512))
        self.size = self.spec.nbytes
        self.blocks_read = 0
        self._block = block

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        for _ in range(first, self.size // BLOCK):
            self.blocks_read += 1
            yield self._block


def test_l6_a_long_matrix_is_never_held() -> None:
    """What is held beside the factors depends on the sample of rows alone, however many there are."""
    merged, peaks = merge_factors("F32", (256, 512), 2), []
    for times in (16, 64):
        values, base = RepeatedValues(merged.new, times), RepeatedValues(merged.old, times)
        tracemalloc.start()
        try:
            found = find_factors(matrix_pair(values, base))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert found is not None
        assert values.blocks_read < 2 * times + 4
    assert peaks[1] < 1.2 * peaks[0]


def test_what_is_no_adapter_costs_a_block_of_each() -> None:
    old = weights("F32", 256 * 512)
    values, base = RepeatedValues(trained(old, "F32", 1e-4), 20), RepeatedValues(old, 20)
    assert find_factors(matrix_pair(values, base)) is None
    assert values.blocks_read <= 2
    assert base.blocks_read <= 2


def test_factors_that_do_not_pay_are_not_taken() -> None:
    """The change of an adapter, and of a fine-tune on top of it."""
    merged = merge_factors("BF16", SHAPE, 4)
    both = trained(merged.new, "BF16", 1e-3)
    assert LowRankUpdate().coder(MemoryValues(merged.values.spec, both), merged.base, {}) is None


def test_an_iteration_that_does_not_converge_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError

    merged = merge_factors("F32", SHAPE, 4)
    monkeypatch.setattr(np.linalg, "solve", fail)
    assert LowRankUpdate().coder(merged.values, merged.base, {}) is None


def test_a_change_beyond_the_largest_number_finds_nothing_or_is_exact() -> None:
    spec = Spec(BY_NAME["F16"], SHAPE)
    old = to_dtype(np.random.default_rng(0).normal(0, 3e4, spec.elements), "F16")
    new = to_dtype(from_dtype(old, "F16") * np.float32(2), "F16")
    assert LowRankUpdate().coder(MemoryValues(spec, new), MemoryValues(spec, old), {}) is None
