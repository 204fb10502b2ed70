"""Real Git: Gram matrices are computed from a user's model, committed beside it, and merges read them at each head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, safetensors_bytes

FILE, GRAM = "model.safetensors", "model.gram.safetensors"
Array = npt.NDArray[np.float64]


def checkpoint(**tensors: Any) -> bytes:
    stored = {name: np.asarray(values, "<f4") for name, values in tensors.items()}
    return safetensors_bytes({name: ("F32", one.shape, one.tobytes()) for name, one in stored.items()})


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    made.write(FILE, checkpoint(**{"layer.weight": np.zeros((2, 3)), "layer.bias": [0, 0]}))
    made.commit("base")
    return made


def fork(sandbox: Sandbox, *, theirs: bool = True) -> None:
    """Two heads: ours has seen the first input alone, theirs the other two."""
    sandbox.git("checkout", "--quiet", "-b", "theirs")
    sandbox.write(FILE, checkpoint(**{"layer.weight": np.full((2, 3), 4), "layer.bias": [4, 4]}))
    if theirs:
        sandbox.write(GRAM, checkpoint(**{"layer.weight": np.diag([0, 1, 2])}))
    sandbox.commit("theirs")
    sandbox.git("checkout", "--quiet", "main")
    sandbox.write(FILE, checkpoint(**{"layer.weight": np.full((2, 3), 2), "layer.bias": [2, 2]}))
    sandbox.write(GRAM, checkpoint(**{"layer.weight": np.diag([3, 0, 0])}))
    sandbox.commit("ours")


def read(sandbox: Sandbox, file: str) -> dict[str, Array]:
    load = pytest.importorskip("safetensors.numpy").load
    found: dict[str, Array] = load(sandbox.read(file))
    return found


def test_each_head_decides_about_the_inputs_that_it_has_seen(sandbox: Sandbox) -> None:
    fork(sandbox)
    sandbox.theta("merge", "theirs", "-s", "regmean")
    merged = read(sandbox, FILE)
    np.testing.assert_allclose(merged["layer.weight"], [[2, 4, 4]] * 2, rtol=1e-6)
    assert merged["layer.bias"].tolist() == [3, 3]
    assert read(sandbox, GRAM)["layer.weight"].tolist() == [[1.5, 0, 0], [0, 0.5, 0], [0, 0, 1]]
    said = sandbox.git("log", "-1", "--format=%B").stdout
    assert f"{FILE} regmean" in said
    assert "numpy" in said


def test_a_head_without_the_file_is_named_before_anything_is_merged(sandbox: Sandbox) -> None:
    fork(sandbox, theirs=False)
    done = sandbox.theta("merge", "theirs", "-s", "regmean", check=False)
    assert done.returncode != 0
    assert "regmean reads model.gram.safetensors, and theirs has no such file" in done.stderr


def test_a_side_above_the_configured_one_is_contested_and_says_why(sandbox: Sandbox) -> None:
    fork(sandbox)
    sandbox.git("config", "theta.merge.maxSide", "2")
    planned = sandbox.theta("merge", "theirs", "-s", "regmean", "--plan").stdout
    assert "regmean takes Gram matrices of up to 2 columns, and this one has 3" in planned
    assert sandbox.theta("merge", "theirs", "-s", "regmean", check=False).returncode == 1
    sandbox.git("merge", "--abort")
    sandbox.theta("merge", "theirs", "-s", "regmean", "-o", "max_side=3")


RUN = """
import torch

class Layered(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        self.load_state_dict(tensors)

    def forward(self, rows):
        return self.layer(rows)

def run(tensors):
    return Layered(tensors), [torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]])]

def broken(tensors):
    return Layered(tensors), [torch.ones(1, 9)]

def bare(tensors):
    return Layered(tensors)
"""


def test_a_model_makes_the_file_that_merges_read(sandbox: Sandbox) -> None:
    pytest.importorskip("torch", reason="models are torch's")
    (sandbox.root / "train.py").write_text(RUN)
    assert sandbox.theta("gram", FILE, "--run", "train.py:run").stdout == f"{GRAM}: 1 linear layer\n"
    assert read(sandbox, GRAM)["layer.weight"].tolist() == [[5, 1, 0], [1, 2, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ("train.py:broken", "train.py:broken failed: RuntimeError"),
        ("train.py:bare", "train.py:bare returned no model with batches but Layered"),
        ("train.py:none", "has no function 'none'"),
    ],
)
def test_what_goes_wrong_in_a_user_s_file_is_said_as_that(sandbox: Sandbox, run: str, reason: str) -> None:
    pytest.importorskip("torch", reason="models are torch's")
    (sandbox.root / "train.py").write_text(RUN)
    done = sandbox.theta("gram", FILE, "--run", run, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (sandbox.root / GRAM).exists()
