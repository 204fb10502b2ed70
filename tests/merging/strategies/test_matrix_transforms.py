"""iso-c, tsv-m and wudi of matrices: against the formulas by singular values, in fp64."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from git_theta import merge_tensors
from git_theta.errors import ConflictError
from git_theta.merging.arithmetic import matrices
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import merge_bytes
from git_theta.tensors.torch_library import TorchLibrary
from tests.merging.strategies.cases import contest, merge, same_bytes, ulp

Array = npt.NDArray[np.float64]
NAMES = ("iso-c", "tsv-m", "wudi")
SHAPES = [(40, 24), (24, 40), (33, 33), (2, 2), (2, 50), (50, 2), (16, 3, 3, 3)]


def isotropic(changes: Sequence[Array]) -> Array:
    left, values, right = np.linalg.svd(sum(changes), full_matrices=False)
    return np.asarray(values.mean() * (left @ right))


def singular(changes: Sequence[Array]) -> Array:
    rank = max(1, min(changes[0].shape) // len(changes))
    parts = [np.linalg.svd(change, full_matrices=False) for change in changes]
    left = np.concatenate([part[0][:, :rank] for part in parts], axis=1)
    values = np.concatenate([part[1][:rank] for part in parts])
    right = np.concatenate([part[2][:rank].T for part in parts], axis=1)
    return np.asarray((polar(left) * values) @ polar(right).T)


def polar(vectors: Array) -> Array:
    """The nearest matrix with orthonormal columns; of vectors that depend on each other, within what they span."""
    left, values, right = np.linalg.svd(vectors, full_matrices=False)
    kept = values > 1e-6 * values[0]
    return np.asarray(left[:, kept] @ right[kept])


def least_squares(changes: Sequence[Array], rho: float = 0.01) -> Array:
    grams = [change.T @ change / max((change**2).sum(), 5e-324) for change in changes]
    ridge = rho * np.trace(sum(grams)) / len(grams[0])
    pulled = sum(change @ gram for change, gram in zip(changes, grams, strict=True)) + ridge * sum(changes)
    return np.asarray(pulled @ np.linalg.inv(sum(grams) + ridge * np.eye(len(grams[0]))))


FORMULAS: dict[str, Callable[[Sequence[Array]], Array]] = {
    "iso-c": isotropic,
    "tsv-m": singular,
    "wudi": least_squares,
}


def fine_tunes(shape: tuple[int, ...], heads: int = 3, dtype: torch.dtype = torch.float32) -> tuple[Any, list[Any]]:
    """A base, and heads nearby."""
    rng = np.random.default_rng([*shape, heads])
    base = rng.standard_normal(shape)
    tuned = [base + 0.1 * rng.standard_normal(shape) for _ in range(heads)]
    stored = [torch.from_numpy(np.asarray(values)).to(dtype) for values in (base, *tuned)]
    return stored[0], stored[1:]


def changes_of(base: Any, heads: Sequence[Any]) -> list[Array]:
    rows = len(base)
    return [(head.double() - base.double()).numpy().reshape(rows, -1) for head in heads]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("heads", [2, 3, 7])
def test_the_formula_by_singular_values_comes_out(name: str, shape: tuple[int, ...], heads: int) -> None:
    base, tuned = fine_tunes(shape, heads, torch.float64)
    merged = merge_tensors(name, tuned, base).numpy()
    truth = base.numpy() + FORMULAS[name](changes_of(base, tuned)).reshape(shape)
    np.testing.assert_allclose(merged, truth, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_it_is_rounded_once_to_the_stored_dtype(name: str, dtype: torch.dtype) -> None:
    base, tuned = fine_tunes((30, 20), dtype=dtype)
    merged = merge_tensors(name, tuned, base, lambda_=0.5)
    truth = base.double().numpy() + 0.5 * FORMULAS[name](changes_of(base, tuned))
    assert merged.dtype == dtype
    assert np.all(np.abs(merged.double().numpy() - truth) <= 0.500001 * ulp(truth, dtype))


def test_the_sum_that_is_made_isotropic_is_weighted() -> None:
    base, tuned = fine_tunes((12, 9), dtype=torch.float64)
    merged = merge_tensors("iso-c", tuned, base, weights=[0.5, 2, 1]).numpy()
    weighted = [by * change for by, change in zip((0.5, 2, 1), changes_of(base, tuned), strict=True)]
    np.testing.assert_allclose(merged, base.numpy() + isotropic(weighted), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(7,), (), (1, 7), (7, 1), (0, 3)], ids=str)
def test_what_is_no_matrix_takes_the_mean_of_the_changes(name: str, shape: tuple[int, ...]) -> None:
    base, tuned = fine_tunes(shape)
    expected = merge_tensors("task-arithmetic", tuned, base, lambda_=0.5, normalize=True)
    assert same_bytes(merge_tensors(name, tuned, base, lambda_=0.5), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(90, 20), (20, 90)], ids=str)
def test_blocks_of_rows_add_up(name: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned = fine_tunes(shape, dtype=torch.float64)
    whole = merge_tensors(name, tuned, base).numpy()
    monkeypatch.setattr(matrices, "BLOCK", 20 * 7)
    np.testing.assert_allclose(merge_tensors(name, tuned, base).numpy(), whole, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(90, 20), (20, 90)], ids=str)
def test_chunks_and_the_order_of_heads_change_no_byte(name: str, shape: tuple[int, ...]) -> None:
    base, tuned = fine_tunes(shape)
    expected = merge(name, contest(name, tuned, base))
    assert same_bytes(merge(name, contest(name, tuned, base, chunk=13)), expected)
    assert same_bytes(merge(name, contest(name, tuned[::-1], base)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_l9b_torch_comes_within_one_unit_in_the_last_place(name: str) -> None:
    base, tuned = fine_tunes((60, 80))
    ours = merge(name, contest(name, tuned, base)).double().numpy()
    theirs = merge(name, contest(name, tuned, base, library=TorchLibrary())).double().numpy()
    assert np.all(np.abs(ours - theirs) <= ulp(ours, torch.float32))
    assert np.count_nonzero(ours != theirs) <= 1


def test_l9b_threads_change_one_unit_of_few_elements_at_most() -> None:
    alone, together = (merge_in_threads(count) for count in (1, 2))
    assert alone.shape == (len(NAMES), 700 * 300)
    steps = np.abs(alone.view(np.int32).astype(np.int64) - together.view(np.int32))
    assert steps.max() <= 1
    assert np.count_nonzero(steps, axis=1).max() <= 700 * 300 / 20_000


def merge_in_threads(count: int) -> npt.NDArray[np.float32]:
    """A row per strategy: what it makes of the same fine-tunes, in a process that is told so when it starts."""
    program = (
        "import sys; from tests.merging.strategies.test_matrix_transforms import fine_tunes; import git_theta\n"
        "base, tuned = fine_tunes((700, 300))\n"
        "for name in sys.argv[1:]:\n"
        "    sys.stdout.buffer.write(git_theta.merge_tensors(name, tuned, base).numpy().tobytes())"
    )
    threads = {"OPENBLAS_NUM_THREADS": str(count), "OMP_NUM_THREADS": str(count)}
    done = subprocess.run(
        [sys.executable, "-c", program, *NAMES],
        env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    return np.frombuffer(done.stdout, np.float32).reshape(len(NAMES), -1)


@pytest.mark.parametrize("name", NAMES)
def test_a_head_that_is_as_the_base_and_one_of_low_rank(name: str) -> None:
    """Singular matrices: nothing is divided by 0."""
    base, (first, _, _) = fine_tunes((30, 20), dtype=torch.float64)
    low = base + torch.outer(torch.arange(30.0), torch.arange(20.0)).double() / 100
    tuned = [first, low, base.clone(), low + 0.5]
    merged = merge_tensors(name, tuned, base).numpy()
    assert np.isfinite(merged).all()
    if name != "tsv-m":  # whose leading triples of what has none are any
        np.testing.assert_allclose(merged, base.numpy() + FORMULAS[name](changes_of(base, tuned)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [-0.0, np.finfo(np.float64).tiny])
def test_changes_without_a_size_leave_the_base(name: str, number: float) -> None:
    heads = [np.zeros((4, 6)) for _ in range(2)]
    heads[0][0, 0] = heads[1][1, 1] = number
    merged = merge_tensors(name, heads, base=np.zeros((4, 6)))
    assert np.abs(merged).max() <= np.finfo(np.float64).tiny


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_is_counted_and_spreads_over_the_matrix(name: str) -> None:
    base, tuned = fine_tunes((6, 5))
    tuned[1][2, 3] = float("nan")
    asked = contest(name, tuned, base)
    assert merge(name, asked).isnan().all()
    assert asked.report.nonfinite == {"head 2": 1, "result": 30}


@pytest.mark.parametrize("name", NAMES)
def test_a_gram_matrix_that_is_too_large_leaves_a_conflict(name: str) -> None:
    base, tuned = fine_tunes((12, 10))
    assert merge_tensors(name, tuned, base, max_side=10).shape == base.shape
    with pytest.raises(ConflictError, match="up to 9 columns, and this one has 10"):
        merge_tensors(name, tuned, base, max_side=9)


def test_more_heads_than_rows_each_give_one_triple() -> None:
    base, tuned = fine_tunes((3, 8), 5, torch.float64)
    merged = merge_tensors("tsv-m", tuned, base).numpy()
    np.testing.assert_allclose(merged, base.numpy() + singular(changes_of(base, tuned)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_l6_a_tall_matrix_is_read_by_blocks_of_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "BLOCK", 1 << 14)
    base, tuned = fine_tunes((1 << 16, 32))
    asked = contest(name, tuned, base)
    tracemalloc.start()
    try:
        taken = sum(len(data) for data in merge_bytes(load_strategy(name), asked))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken == base.nbytes
    assert peak < base.nbytes / 3
