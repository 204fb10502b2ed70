"""Merging from Python: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import git_theta
from git_theta import known_plugins, merge_state_dicts, merge_tensors
from git_theta.errors import ConflictError, PluginError, UsageError
from git_theta.merging.catalogue import load_strategy

A, B, C = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0]), torch.tensor([5.0, 4.0])


def test_l12_neither_torch_nor_numpy_is_imported_before_something_is_merged() -> None:
    program = """
import sys, git_theta
from git_theta.merging.catalogue import load_strategy, strategy_names
git_theta.merge_tensors, git_theta.merge_state_dicts
assert [load_strategy(name).name for name in strategy_names()] == strategy_names()
assert not {"torch", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_package_has_no_other_attributes_by_accident() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'merge_tensor'"):
        _ = git_theta.merge_tensor  # type: ignore[attr-defined]


def test_the_readmes_example() -> None:
    merged = merge_tensors("task-arithmetic", [B, C], base=A, weights=[0.5, 1.0], lambda_=0.5)
    assert merged.tolist() == [1 + 0.5 * (0.5 * 2 + 4), 2 + 0.5 * (0.5 * 4 + 2)]


def test_equal_weights_are_ones_and_not_normalised() -> None:
    assert merge_tensors("task-arithmetic", [B, C], A).tolist() == [7.0, 8.0]
    assert merge_tensors("weighted", [B, C], A).tolist() == [4.0, 5.0]


def test_inputs_are_left_alone_and_results_are_new() -> None:
    branches = [torch.nn.Parameter(B.clone()), torch.nn.Parameter(C.clone())]
    for strategy in ("average", "ours"):
        merged = merge_tensors(strategy, branches, A)
        assert not merged.requires_grad
        merged.zero_()
    assert torch.equal(branches[0], B)
    assert torch.equal(branches[1], C)


def test_strided_tensors_are_read_row_by_row() -> None:
    left, right = torch.arange(6.0).view(2, 3).T, torch.arange(6.0).view(3, 2)
    assert torch.equal(merge_tensors("average", [left, right]), (left + right) / 2)
    assert torch.equal(merge_tensors("ours", [left, right]), left)


def test_conjugate_views_are_resolved() -> None:
    left, right = torch.tensor([1 + 2j]).conj(), torch.tensor([3 + 4j])
    assert merge_tensors("average", [left, right]).tolist() == [2 + 1j]


def test_names_are_in_the_order_of_the_first_branch_then_of_the_others() -> None:
    merged = merge_state_dicts("average", [{"z": A, "a": A}, {"new": B, "z": B, "a": B}])
    assert list(merged) == ["z", "a", "new"]
    assert torch.equal(merged["new"], B)


def test_what_one_branch_removed_is_gone_unless_another_changed_it() -> None:
    base = {"kept": A, "removed": A}
    merged = merge_state_dicts("average", [{"kept": A}, {"kept": A, "removed": A}], base)
    assert list(merged) == ["kept"]
    with pytest.raises(ConflictError, match="removed: head 1 is without it, others changed it"):
        merge_state_dicts("average", [{"kept": A}, {"kept": A, "removed": B}], base)
    assert list(merge_state_dicts("ours", [{"kept": A}, {"kept": A, "removed": B}], base)) == ["kept"]
    assert torch.equal(merge_state_dicts("theirs", [{}, {"removed": B}], base)["removed"], B)


def test_base_never_drops_what_both_added() -> None:
    with pytest.raises(ConflictError, match="does not have it"):
        merge_state_dicts("base", [{"new": A}, {"new": B}], {})


def test_all_conflicts_are_named_at_once() -> None:
    codes = [{"codes": torch.tensor(1), "w": A}, {"codes": torch.tensor(2), "w": B.double()}]
    with pytest.raises(ConflictError) as caught:
        merge_state_dicts("average", codes)
    told = str(caught.value)
    assert told.startswith("2 parameters conflict: codes: average computes with numbers, and I64 values are counts")
    assert "w: dtypes or shapes differ: F32 [2], F64 [2]" in told
    assert caught.value.hint == "Choose a side for it: ours, theirs or base."
    assert caught.value.exit_code == 12


NOT_DENSE = ["text", 3, None, torch.eye(2).to_sparse(), [1.0], np.float32(1), np.array(["text"]), np.ma.ones(2)]


@pytest.mark.parametrize("value", NOT_DENSE, ids=repr)
def test_what_is_no_dense_tensor_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="'_extra_state' is no dense tensor"):
        merge_state_dicts("average", [{"_extra_state": value}, {"_extra_state": A}])


def test_unknown_strategies_and_options_are_refused_with_what_is_close() -> None:
    with pytest.raises(UsageError, match="no strategy is called 'tie'") as caught:
        merge_tensors("tie", [A, B])
    assert caught.value.hint.startswith("Did you mean 'ties'? Installed: ours, theirs, base, average")
    with pytest.raises(UsageError, match="ties has no option 'densty'") as caught:
        merge_tensors("ties", [A, B], densty=1)
    assert caught.value.hint.startswith("Did you mean 'density'?")


def test_a_plug_in_that_is_no_strategy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known_plugins.BUILT_IN["merges"], "odd", "builtins:dict")
    with pytest.raises(PluginError, match="cannot be loaded: it is no Strategy but <class 'dict'>"):
        load_strategy("odd")


@pytest.mark.parametrize("strategy", ["average", "ties", "dare"])
def test_the_device_changes_nothing_but_where_it_is_computed(strategy: str) -> None:
    dicts = [{"w": A}, {"w": B}], {"w": C}
    merged = merge_state_dicts(strategy, *dicts, device="cpu")
    assert torch.equal(merged["w"], merge_state_dicts(strategy, *dicts)["w"])


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_dtypes_that_ml_dtypes_adds_to_numpy_are_merged(name: str) -> None:
    dtype = pytest.importorskip("ml_dtypes").__dict__[name]
    base, *heads = np.random.default_rng(1).standard_normal((3, 500)).astype(dtype)
    merged = merge_tensors("ties", heads, base)
    assert merged.dtype == dtype
    tensors = [torch.from_numpy(row.view(np.uint8)).view(getattr(torch, name)) for row in (base, *heads)]
    expected = merge_tensors("ties", tensors[1:], tensors[0])
    assert merged.tobytes() == expected.view(torch.uint8).numpy().tobytes()


STRATEGIES = [name for name in known_plugins.BUILT_IN["merges"] if name != "smear"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "complex64", "complex128"])
def test_numpy_arrays_are_merged_as_torch_tensors_are(strategy: str, dtype: str) -> None:
    rows = np.random.default_rng(1).standard_normal((3, 500)).astype(dtype)
    base, *heads = rows.reshape(3, 20, 25)
    merged = merge_tensors(strategy, heads, base, seed=7)
    assert type(merged) is np.ndarray
    assert (merged.dtype, merged.shape, merged.flags.writeable) == (np.dtype(dtype), (20, 25), True)
    tensors = merge_tensors(strategy, list(map(torch.from_numpy, heads)), torch.from_numpy(base), seed=7)
    assert merged.tobytes() == tensors.numpy().tobytes()
    assert not any(np.shares_memory(merged, row) for row in rows)


def test_arrays_of_any_layout_are_merged_and_come_back_in_their_byte_order() -> None:
    left, right = np.arange(6.0, dtype=">f4").reshape(2, 3), np.ones((3, 2), ">f4").T
    merged = merge_tensors("average", [left, right])
    assert merged.dtype == np.dtype(">f4")
    assert merged.tolist() == ((left + right) / 2).tolist()
    assert merge_tensors("ours", [left.T, right.T]).tolist() == left.T.tolist()
    read_only = np.broadcast_to(np.float64(3), (4,))
    assert merge_tensors("average", [read_only, np.ones(4)]).tolist() == [2.0] * 4
    assert merge_tensors("average", [np.array(1.0), np.array(2.0)]).shape == ()
    assert merge_tensors("average", [np.empty((0, 3)), np.empty((0, 3))], np.ones((0, 3))).shape == (0, 3)


def test_what_is_given_back_is_of_the_first_branchs_library() -> None:
    arrays: dict[str, Any]
    tensors: dict[str, Any]
    arrays, tensors = {"w": np.array([1.0, 2.0], np.float32)}, {"w": torch.tensor([3.0, 6.0])}
    assert type(merge_state_dicts("average", [arrays, tensors])["w"]) is np.ndarray
    assert isinstance(merge_state_dicts("average", [tensors, arrays])["w"], torch.Tensor)
    assert merge_state_dicts("average", [tensors, arrays], arrays)["w"].tolist() == [3.0, 6.0]


def test_numpys_integers_and_booleans_are_no_numbers_to_compute_with() -> None:
    for dtype in ("int64", "uint8", "bool"):
        base, left, right = (np.array([value, 0, 1]).astype(dtype) for value in (0, 1, 2))
        assert merge_tensors("ours", [left, right], base).dtype == dtype
        if dtype != "bool":
            with pytest.raises(ConflictError, match="computes with numbers"):
                merge_tensors("average", [left, right], base)


WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "array_api_compat"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
from git_theta import merge_state_dicts, merge_tensors
from git_theta.known_plugins import BUILT_IN

base, left, right = ({"w": np.arange(12, dtype="f4") * by} for by in (1, 2, -3))
for strategy in BUILT_IN["merges"]:
    options = {"scores": [0.0, 1.0]} if strategy == "smear" else {}
    merged = merge_state_dicts(strategy, [left, right], base, **options)
    print(strategy, merged["w"].tobytes().hex())
assert "torch" not in sys.modules
"""


def test_without_torch_every_strategy_merges_to_the_same_bytes() -> None:
    """And without array-api-compat, which only numpy before 2.0 needs."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True, capture_output=True, text=True)
    base, left, right = ({"w": torch.arange(12.0) * by} for by in (1, 2, -3))
    for line in done.stdout.splitlines():
        strategy, found = line.split()
        options: dict[str, Any] = {"scores": [0.0, 1.0]} if strategy == "smear" else {}
        merged = merge_state_dicts(strategy, [left, right], base, **options)
        assert merged["w"].numpy().tobytes().hex() == found
    assert len(done.stdout.splitlines()) == len(known_plugins.BUILT_IN["merges"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("strategy", ["average", "ties", "dare", "slerp"])
def test_tensors_on_cuda_are_merged_there_and_stay_there(strategy: str) -> None:
    base, left, right = (torch.randn(1000, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    expected = merge_tensors(strategy, [left, right], base)
    merged = merge_tensors(strategy, [left.cuda(), right.cuda()], base.cuda())
    assert merged.is_cuda
    assert torch.equal(merged.cpu(), expected)
    moved = merge_state_dicts(strategy, [{"": left}, {"": right}], {"": base}, device="cuda")[""]
    assert not moved.is_cuda
    assert torch.equal(moved, expected)
