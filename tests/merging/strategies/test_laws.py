"""What holds for every strategy: L9, the trivial cases, the sizes at the edge, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from git_theta import known_plugins, merge_state_dicts, merge_tensors
from git_theta.errors import ConflictError, UsageError
from git_theta.merging.arithmetic import small_operands
from git_theta.merging.base import Operand
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.numerics import stream
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_TORCH
from git_theta.tensors.torch_library import TorchLibrary
from tests.merging.strategies.cases import FLOATING, NUMERIC, contest, merge, same_bytes

ALL = tuple(known_plugins.BUILT_IN["merges"])
COMPUTED = (*NUMERIC, "smear")
MAJORITY = {"zero_sign": "majority", "density": 0.5}


def settings_of(strategy: str, heads: int = 2) -> dict[str, Any]:
    """Options without which a strategy would not do, or would do little."""
    if strategy == "smear":
        return {"scores": [1.0, 2.0, 0.5, 0.0][:heads]}
    return MAJORITY if strategy == "ties" else {}


def fine_tunes(dtype: torch.dtype, size: int = 1000, heads: int = 2) -> tuple[Tensor, list[Tensor]]:
    """A base and heads that differ in every element or nearly so."""
    generator = torch.Generator().manual_seed(size)
    real = {torch.complex32: torch.float16, torch.complex64: torch.float32, torch.complex128: torch.float64}
    count = size * (2 if dtype in real else 1)
    made = [torch.randn(count, generator=generator).to(real.get(dtype, dtype)).view(dtype) for _ in range(heads + 1)]
    return made[0], made[1:]


@pytest.mark.parametrize("strategy", COMPUTED)
@settings(max_examples=15, deadline=None)
@given(chunk=st.integers(1, 400), pieces=st.lists(st.integers(1, 90), min_size=3, max_size=3))
def test_l9_chunks_change_no_byte(strategy: str, chunk: int, pieces: list[int]) -> None:
    """Neither the size in which we compute, nor the sizes in which operands come, which differ."""
    base, heads = fine_tunes(torch.bfloat16, 300)
    asked = contest(strategy, heads, base, **settings_of(strategy))
    cut = replace(
        asked,
        chunk=chunk,
        branches=tuple(Pieces(branch, size) for branch, size in zip(asked.branches, pieces, strict=False) if branch),
        base=asked.base and Pieces(asked.base, pieces[2]),
    )
    assert same_bytes(merge(strategy, cut), merge(strategy, asked))


class Pieces(Operand):
    """An operand that comes in pieces of some size, with empty ones in between."""

    def __init__(self, operand: Operand, size: int) -> None:
        self.oid, self.spec, self._operand, self._size = operand.oid, operand.spec, operand, size

    def blocks(self) -> Iterator[Buffer]:
        step = self._size * self.spec.dtype.bits // 8
        for block in self._operand.blocks():
            for start in range(0, len(block), step):
                yield from (memoryview(block)[start : start + step], b"")


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("strategy", COMPUTED)
def test_l9_threads_change_no_byte(strategy: str, threads: Callable[[int], None]) -> None:
    base, heads = fine_tunes(torch.float32, 200_003)
    asked = contest(strategy, heads, base, **settings_of(strategy), chunk=150_000, library=TorchLibrary())
    threads(1)
    alone = merge(strategy, asked)
    threads(2)
    assert same_bytes(merge(strategy, asked), alone)


@pytest.mark.parametrize("strategy", [name for name in COMPUTED if name != "slerp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_l9_the_order_of_heads_changes_no_byte(strategy: str, dtype: torch.dtype) -> None:
    base, heads = fine_tunes(dtype, heads=4)
    heads[3] = heads[0]  # a twin: DARE must draw for it anew, whichever comes first
    scores = [0.3, 0.1, 0.9, 0.3]

    def merged(order: tuple[int, ...]) -> Tensor:
        options = {"scores": [scores[at] for at in order]} if strategy == "smear" else settings_of(strategy)
        return merge_tensors(strategy, [heads[at] for at in order], base, **options)

    first, *others = (merged(order) for order in list(permutations(range(4)))[::5])
    assert all(same_bytes(first, other) for other in others)


def test_l9_slerp_half_way_does_not_depend_on_the_order() -> None:
    _, (a, b) = fine_tunes(torch.float32)
    assert same_bytes(merge_tensors("slerp", [a, b]), merge_tensors("slerp", [b, a]))


@pytest.mark.parametrize("strategy", [name for name in NUMERIC if load_strategy(name).takes_weights])
def test_l9_weights_go_with_their_heads(strategy: str) -> None:
    base, (a, b, c) = fine_tunes(torch.float32, heads=3)
    left = merge_tensors(strategy, [a, b, c], base, weights=[0.2, 0.3, 1.7])
    assert same_bytes(left, merge_tensors(strategy, [c, a, b], base, weights=[1.7, 0.2, 0.3]))


@pytest.mark.parametrize("strategy", COMPUTED)
@pytest.mark.parametrize("dtype", FLOATING)
def test_l9_torch_gives_the_bytes_of_numpy(strategy: str, dtype: torch.dtype) -> None:
    base, heads = fine_tunes(dtype, 10_003)
    heads[0].view(torch.uint8)[:400] = 0xFF  # NaNs too
    asked = contest(strategy, heads, base, **settings_of(strategy))
    assert same_bytes(merge(strategy, replace(asked, library=TorchLibrary())), merge(strategy, asked))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("strategy", COMPUTED)
@pytest.mark.parametrize("dtype", FLOATING)
def test_l9_cuda_gives_the_bytes_of_the_cpu(strategy: str, dtype: torch.dtype) -> None:
    base, heads = fine_tunes(dtype, 100_003)
    heads[0].view(torch.uint8)[:400] = 0xFF  # NaNs too
    asked = contest(strategy, heads, base, **settings_of(strategy))
    assert same_bytes(merge(strategy, replace(asked, library=TorchLibrary("cuda"))), merge(strategy, asked))


@pytest.mark.parametrize("strategy", ALL)
class TestTrivialMerges:
    """What ids alone decide is not computed: no byte may change, not the payload of a NaN."""

    base = torch.tensor([1.0, float("nan"), -0.0, 3.0])
    changed = torch.tensor([0x7FC12345, -1, 1, -(2**31)], dtype=torch.int32).view(torch.float32)

    def test_what_one_side_changed_is_that(self, strategy: str) -> None:
        merged = merge_tensors(strategy, [self.base.clone(), self.changed], self.base, **settings_of(strategy))
        assert same_bytes(merged, self.changed)
        merged = merge_tensors(strategy, [self.changed, self.base.clone()], self.base, **settings_of(strategy))
        assert same_bytes(merged, self.changed)

    def test_the_same_change_on_both_sides_is_made_once(self, strategy: str) -> None:
        merged = merge_tensors(strategy, [self.changed, self.changed.clone()], self.base, **settings_of(strategy))
        assert same_bytes(merged, self.changed)

    def test_what_nobody_changed_stays(self, strategy: str) -> None:
        merged = merge_tensors(strategy, [self.base.clone(), self.base.clone()], self.base, **settings_of(strategy))
        assert same_bytes(merged, self.base)
        assert merged is not self.base

    def test_integers_that_one_side_changed_are_no_conflict(self, strategy: str) -> None:
        steps = [torch.tensor(5), torch.tensor(9)]
        assert merge_tensors(strategy, steps, torch.tensor(5), **settings_of(strategy)) == 9


@pytest.mark.parametrize("strategy", COMPUTED)
@pytest.mark.parametrize("dtype", FLOATING)
def test_every_floating_dtype_is_merged(strategy: str, dtype: torch.dtype) -> None:
    base, heads = fine_tunes(dtype, 64)
    merged = merge_tensors(strategy, heads, base, **settings_of(strategy))
    assert (merged.dtype, merged.shape) == (dtype, base.shape)
    assert not any(same_bytes(merged, other) for other in heads)


@pytest.mark.parametrize("strategy", COMPUTED)
def test_a_complex_tensor_is_merged_as_two_real_ones(strategy: str) -> None:
    base, heads = fine_tunes(torch.complex64, 50)
    merged = merge(strategy, contest(strategy, heads, base, **settings_of(strategy)))
    asked = contest(strategy, heads, base, **settings_of(strategy))
    real = contest(
        strategy, [head.view(torch.float32) for head in heads], base.view(torch.float32), **settings_of(strategy)
    )
    assert [one.oid for one in asked.heads()] == [one.oid for one in real.heads()]
    assert same_bytes(merged.view(torch.float32), merge(strategy, real))


@pytest.mark.parametrize("strategy", COMPUTED)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1), (2, 3)])
def test_small_tensors_keep_their_shape(strategy: str, shape: tuple[int, ...]) -> None:
    base, a, b = (torch.full(shape, value) for value in (1.0, 2.0, 4.0))
    merged = merge_tensors(strategy, [a, b], base, **settings_of(strategy))
    assert merged.shape == shape
    assert bool(merged.isfinite().all())


@pytest.mark.parametrize("strategy", COMPUTED)
def test_an_empty_tensor_stays_empty(strategy: str) -> None:
    """Contested all the same: only the spec tells these apart, as ids do not."""
    empty = torch.empty(0, 3)
    asked = contest(strategy, [empty, empty], empty, **settings_of(strategy))
    assert list(load_strategy(strategy).merge(asked)) == []
    assert merge_tensors(strategy, [empty, empty], empty, **settings_of(strategy)).shape == (0, 3)


UNCOMPUTABLE = [name for name, dtype in BY_TORCH.items() if getattr(torch, name, None) not in FLOATING]


@pytest.mark.parametrize("dtype", [name for name in UNCOMPUTABLE if not name.startswith("q")])
def test_what_is_no_number_conflicts(dtype: str) -> None:
    tensors = [torch.full((16,), fill, dtype=torch.uint8).view(getattr(torch, dtype)) for fill in (0, 1, 2)]
    for strategy in COMPUTED:
        with pytest.raises(ConflictError, match=f"{strategy} computes with numbers, and {BY_TORCH[dtype].name} values"):
            merge_tensors(strategy, tensors[1:], tensors[0], name="codes", **settings_of(strategy))
    for strategy, expected in zip(("ours", "theirs", "base"), (1, 2, 0), strict=True):
        assert same_bytes(merge_tensors(strategy, tensors[1:], tensors[0]), tensors[expected])


@pytest.mark.parametrize("strategy", COMPUTED)
@pytest.mark.parametrize("other", [torch.ones(3, 2), torch.ones(6), torch.ones(2, 3, dtype=torch.float64)])
def test_other_shapes_and_dtypes_conflict(strategy: str, other: Tensor) -> None:
    with pytest.raises(ConflictError, match=r"dtypes or shapes differ: F32 \[.*\], F\d\d \["):
        merge_tensors(strategy, [other, torch.ones(2, 3)], torch.zeros(2, 3), **settings_of(strategy))


def test_a_reshape_against_a_change_conflicts_although_the_bytes_are_those_of_the_base() -> None:
    base = torch.ones(2, 3)
    with pytest.raises(ConflictError, match="shapes differ"):
        merge_tensors("average", [base.reshape(3, 2), base * 2], base)
    assert merge_tensors("average", [base.reshape(3, 2), base.clone()], base).shape == (3, 2)


@pytest.mark.parametrize("strategy", COMPUTED)
def test_nan_and_infinity_are_counted_and_not_dropped(strategy: str) -> None:
    base, heads = fine_tunes(torch.float32, 100)
    heads[0][3], heads[1][50], heads[1][51] = float("nan"), float("inf"), -float("inf")
    rest = {"density": 1.0} if "density" in {option.name for option in load_strategy(strategy).options} else {}
    rest |= {"gamma": 0.0} if strategy == "breadcrumbs" else {}
    asked = contest(strategy, heads, base, **{**settings_of(strategy), **rest})
    merged = merge(strategy, asked)
    assert asked.report.nonfinite["head 1"] == 1
    assert asked.report.nonfinite["head 2"] == 2
    assert asked.report.nonfinite["result"] == int((~merged.isfinite()).sum()) > 0
    assert "base" not in asked.report.nonfinite
    assert bool(merged[3].isnan())
    assert same_bytes(merged[3:4].abs(), torch.tensor([0x7FC00000], dtype=torch.int32).view(torch.float32))


def test_a_result_too_large_for_the_dtype_is_counted() -> None:
    asked = contest(
        "task-arithmetic", [torch.full((3,), 6e4).half(), torch.full((3,), 5e4).half()], torch.zeros(3).half()
    )
    assert merge("task-arithmetic", asked).isinf().all()
    assert asked.report.nonfinite == {"result": 3}


@pytest.mark.parametrize("strategy", [name for name in ALL if load_strategy(name).needs_base])
def test_without_a_base_there_are_no_changes_to_merge(strategy: str) -> None:
    with pytest.raises(ConflictError, match=f"layer: {strategy} works on changes since the merge base"):
        merge_tensors(strategy, [torch.ones(2), torch.zeros(2)], name="layer", **settings_of(strategy))


@pytest.mark.parametrize("strategy", ALL)
def test_heads_and_weights_must_match_the_strategy(strategy: str) -> None:
    base = torch.zeros(2)
    with pytest.raises(UsageError, match=r"merges .*2 heads, not 1"):
        merge_tensors(strategy, [base], base)
    if load_strategy(strategy).heads[1] == 2:
        with pytest.raises(UsageError, match="merges 2 heads, not 3"):
            merge_tensors(strategy, [base, base, base], base)
    wanted = "3 weights for 2 heads" if load_strategy(strategy).takes_weights else "takes no weights"
    with pytest.raises(UsageError, match=wanted):
        merge_tensors(strategy, [base, base + 1], base, weights=[1, 1, 1])


def test_weights_that_mean_nothing_are_refused() -> None:
    base, a, b = torch.zeros(2), torch.ones(2), torch.ones(2) * 2
    with pytest.raises(UsageError, match="not finite"):
        merge_tensors("weighted", [a, b], weights=[1, float("nan")])
    with pytest.raises(UsageError, match="add up to 0"):
        merge_tensors("weighted", [a, b], weights=[1, -1])
    with pytest.raises(UsageError, match="takes weights of 0 or more"):
        merge_tensors("ties", [a, b], base, weights=[1, -1])
    assert merge_tensors("task-arithmetic", [a, b], base, weights=[1, -1]).tolist() == [-1, -1]


def test_operands_are_read_side_by_side_whatever_their_pieces() -> None:
    base, heads = fine_tunes(torch.float32, 100)
    asked = contest("average", heads, base, chunk=7)
    operands = [Pieces(branch, size) for branch, size in zip(asked.branches, (3, 50), strict=True) if branch]
    chunks = list(stream(asked, operands))
    assert [chunk.start for chunk in chunks] == list(range(0, 100, 7))
    for index in range(2):
        assert np.array_equal(np.concatenate([chunk.values[index] for chunk in chunks]), heads[index].numpy())


@pytest.mark.parametrize("strategy", COMPUTED)
def test_l6_results_come_while_operands_are_still_read(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_operands, "SMALL", 0)  # or these would be read at once, and held
    base, heads = fine_tunes(torch.float32, 1000)
    asked = contest(strategy, heads, base, **settings_of(strategy), chunk=10)
    counted = [Counted(branch, 10) for branch in asked.branches if branch]
    result = load_strategy(strategy).merge(replace(asked, branches=tuple(counted)))
    next(result)
    assert [operand.taken for operand in counted] == [1, 1]


class Counted(Pieces):
    """Counts the pieces with something in them that the last reader has taken so far."""

    taken = 0

    def blocks(self) -> Iterator[Buffer]:
        self.taken = 0
        for piece in super().blocks():
            self.taken += len(piece) > 0
            yield piece


def test_a_state_dict_is_merged_like_its_tensors() -> None:
    base, heads = fine_tunes(torch.float32, 30)
    merged = merge_state_dicts("dare", [{"w": head} for head in heads], {"w": base}, seed=3)
    assert same_bytes(merged["w"], merge_tensors("dare", heads, base, seed=3, name="w"))
