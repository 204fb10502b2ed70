"""Strategies are run with the array library that they take, and what they yield is looked at."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from git_theta import known_plugins, merge_state_dicts, merge_tensors
from git_theta.errors import PluginError
from git_theta.merging.base import Contest, Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import library_for, merge_arrays, merge_bytes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.spec import Spec
from git_theta.testing.operands import InMemory, operand
from tests.merging.plugin_strategies import FIRST, MEDIAN, NUMPY_MEDIAN, Mean

ROWS = [[1.0, 5.0, 2.0], [3.0, 4.0, 0.0], [2.0, 9.0, 1.0]]


def contest(strategy: Strategy, *, dtype: str = "F32", device: str = "cpu", rows: Any = ROWS) -> Contest:
    library = library_for(strategy, device)
    return Contest("layer.weight", tuple(operand(row, dtype) for row in rows), library=library)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategies of ``plugged``, as if installed."""
    for name in ("MEDIAN", "FIRST", "NUMPY_MEDIAN", "FLOAT64", "SHORT"):
        spelled = name.lower().replace("_", "-")
        monkeypatch.setitem(known_plugins.BUILT_IN["merges"], spelled, f"tests.merging.plugin_strategies:{name}")


def test_our_own_take_any_library_numpy_on_a_cpu_and_torch_elsewhere() -> None:
    for name in known_plugins.BUILT_IN["merges"]:
        assert library_for(load_strategy(name), "cpu") is NUMPY
        found = library_for(load_strategy(name), "cuda:1")
        assert (found.name, found.device) == ("torch", "cuda:1")


def test_a_strategy_gets_what_it_declares_and_torch_if_it_declares_nothing() -> None:
    assert MEDIAN.array_library == "torch"
    assert (library_for(MEDIAN, "cpu").name, library_for(MEDIAN, "cpu").device) == ("torch", "cpu")
    assert library_for(NUMPY_MEDIAN, "cuda") is NUMPY


@pytest.mark.parametrize("strategy", [MEDIAN, NUMPY_MEDIAN], ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("dtype", ["F32", "BF16", "F64"])
def test_strategies_for_one_library_merge(strategy: Strategy, dtype: str) -> None:
    merged = b"".join(map(bytes, merge_bytes(strategy, contest(strategy, dtype=dtype))))
    assert merged == operand([2.0, 5.0, 1.0], dtype).data


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("strategy", ["median", "numpy-median"])
@pytest.mark.parametrize("make", [torch.tensor, np.array], ids=["torch", "numpy"])
def test_they_merge_either_kind_of_tensor_from_python(strategy: str, make: Any) -> None:
    merged = merge_tensors(strategy, [make(row) for row in ROWS])
    assert type(merged) is type(make([1.0]))
    assert merged.tolist() == [2.0, 5.0, 1.0]


@pytest.mark.usefixtures("plugged")
def test_one_that_reads_operands_by_itself_is_given_torch_tensors() -> None:
    assert FIRST.array_library == "torch"
    makers: tuple[Any, ...] = (np.array, torch.tensor)
    for make in makers:
        assert merge_tensors("first", [make([1.0]), make([3.0])]).tolist() in ([1.0], [3.0])


BROKEN = {
    "float64": r"yields numpy arrays of float64 and shape \(3,\), not numpy arrays of float32 and one dimension",
    "matrix": r"yields numpy arrays of float32 and shape \(1, 3\), not numpy arrays of float32 and one dimension",
    "list": r"yields list, not numpy arrays of float32 and one dimension",
    "other-library": r"yields torch arrays of float32 and shape \(3,\), not numpy arrays",
    "short": "yields 2 of 3 elements",
    "nothing": "yields 0 of 3 elements",
    "long": "yields more than 3 elements",
    "wide-formula": r"computes float64 \[3\] from float32 \[3\]",
    "short-formula": r"computes float32 \[2\] from float32 \[3\]",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_the_tensor_is_an_error_that_names_strategy_and_parameter(name: str) -> None:
    strategy = Mean(name, "A mean.", "Nowhere")
    with pytest.raises(PluginError, match=f"^layer.weight: {name} {BROKEN[name]}") as caught:
        list(merge_arrays(strategy, contest(strategy)))
    assert caught.value.hint
    assert caught.value.parameter == "layer.weight"


def test_a_mean_that_is_not_broken_is_none() -> None:
    strategy = Mean("mean", "A mean.", "Nowhere")
    [found] = merge_arrays(strategy, contest(strategy))
    assert found.tolist() == [2.0, 6.0, 1.0]


def test_bf16_is_to_be_yielded_as_its_codes() -> None:
    strategy = Mean("float64", "A mean.", "Nowhere")
    with pytest.raises(PluginError, match=r"numpy arrays of float64 and shape .*, not numpy arrays of uint16"):
        list(merge_arrays(strategy, contest(strategy, dtype="BF16")))


@pytest.mark.parametrize("exact", [True, False])
def test_what_computes_is_noted_for_whoever_says_that_it_is_not_exact(exact: bool) -> None:
    strategy = replace(NUMPY_MEDIAN, exact=exact)
    asked = contest(strategy)
    list(merge_arrays(strategy, asked))
    assert asked.report.computed_by == ("" if exact else NUMPY.describe_algebra())
    assert NUMPY.describe_algebra().startswith(f"numpy {np.__version__}, ")


def test_too_few_complex_elements_are_counted_as_such() -> None:
    strategy = Mean("short", "A mean.", "Nowhere")
    heads = tuple(InMemory(bytes(8 * 3) + bytes([last] * 8), Spec(BY_NAME["C64"], (2, 2))) for last in (1, 2))
    with pytest.raises(PluginError, match="short yields 3 of 4 elements"):
        list(merge_arrays(strategy, Contest("w", heads)))


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("strategy", ["float64", "short"])
def test_merging_from_python_gives_nothing_that_is_wrong(strategy: str) -> None:
    with pytest.raises(PluginError, match=f"a.weight: {strategy} yields"):
        merge_state_dicts(strategy, [{"a.weight": torch.ones(3)}, {"a.weight": torch.zeros(3)}])


def test_without_torch_a_strategy_that_needs_it_says_what_to_do() -> None:
    program = """
import sys
sys.modules["torch"] = None
import pytest
from git_theta.errors import PluginError, UsageError
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.devices import device
from git_theta.merging.execution import library_for
from tests.merging.plugin_strategies import MEDIAN
with pytest.raises(PluginError, match="median computes with torch, which is not installed here") as caught:
    library_for(MEDIAN, "cpu")
assert f"{sys.executable} -m pip install torch" in caught.value.hint and 'array_library="any"' in caught.value.hint
assert library_for(load_strategy("average"), "cpu").name == "numpy"
assert device("auto") == device("cpu") == "cpu"
with pytest.raises(UsageError, match="cuda:1 needs torch, which is not installed here") as caught:
    device("cuda:1")
assert f"{sys.executable} -m pip install torch" in caught.value.hint
"""
    subprocess.run([sys.executable, "-c", program], check=True)
