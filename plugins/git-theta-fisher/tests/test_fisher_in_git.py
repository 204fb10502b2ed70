"""Real Git: information is computed by a user's loss, committed beside the model, and merges read it at each head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, safetensors_bytes

FILE, FISHER = "model.safetensors", "model.fisher.safetensors"


def floats(**tensors: list[float]) -> bytes:
    return safetensors_bytes(
        {name: ("F32", (len(values),), np.array(values, "<f4").tobytes()) for name, values in tensors.items()}
    )


POLICY = b"""\
[[merge]]
path = "*.fisher.safetensors"
strategy = "average"

[[merge]]
strategy = "fisher"
"""


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    made.write(FILE, floats(w=[0, 0, 0], b=[1]))
    made.write(".theta.toml", POLICY)
    made.commit("base")
    return made


def fork(sandbox: Sandbox, *, informed: bool = True) -> None:
    """Two heads with weights and information; one without, where that is asked for."""
    sandbox.git("checkout", "--quiet", "-b", "theirs")
    sandbox.write(FILE, floats(w=[4, 4, 4], b=[1]))
    if informed:
        sandbox.write(FISHER, floats(w=[1, 1, 0], b=[1]))
    sandbox.commit("theirs")
    sandbox.git("checkout", "--quiet", "main")
    sandbox.write(FILE, floats(w=[2, 2, 2], b=[1]))
    sandbox.write(FISHER, floats(w=[1, 3, 0], b=[1]))
    sandbox.commit("ours")


@pytest.mark.parametrize("command", [("merge", "--quiet", "-m", "merged"), ("theta", "merge")])
def test_a_merge_reads_the_information_of_each_head(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    fork(sandbox)
    sandbox.git(*command, "theirs")
    assert sandbox.read(FILE) == floats(w=[3, 2.5, 3], b=[1])
    assert sandbox.read(FISHER) == floats(w=[1, 2, 0], b=[1])


def test_a_rebase_reads_it_too(sandbox: Sandbox) -> None:
    fork(sandbox)
    sandbox.git("checkout", "--quiet", "theirs")
    sandbox.git("rebase", "--quiet", "main")
    assert sandbox.read(FILE) == floats(w=[3, 2.5, 3], b=[1])


def test_a_head_without_it_is_named_before_anything_is_merged(sandbox: Sandbox) -> None:
    fork(sandbox, informed=False)
    done = sandbox.theta("merge", "theirs", check=False)
    assert done.returncode != 0
    assert "fisher reads model.fisher.safetensors, and theirs has no such file" in done.stderr
    assert sandbox.read(FILE) == floats(w=[2, 2, 2], b=[1])


LOSSES = """
import torch

def losses(tensors):
    for row in torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]):
        yield row @ tensors["w"]

def broken(tensors):
    yield tensors["nothing"]
"""
BESIDE = """
from __future__ import annotations

from dataclasses import dataclass

from examples import ROWS

@dataclass
class Row:
    values: list[float]

def losses(tensors):
    import torch

    for row in map(Row, ROWS):
        yield torch.tensor(row.values) @ tensors["w"]
"""


def test_a_loss_makes_the_file_that_merges_read(sandbox: Sandbox) -> None:
    pytest.importorskip("torch", reason="gradients are torch's")
    (sandbox.root / "train.py").write_text(LOSSES)
    done = sandbox.theta("fisher", FILE, "--losses", "train.py:losses")
    assert done.stdout == f"{FISHER}: 2 parameters\n"
    load = pytest.importorskip("safetensors.numpy").load
    found = load(sandbox.read(FISHER))
    assert {name: value.tolist() for name, value in found.items()} == {"w": [5, 4, 5], "b": [0]}


def test_a_user_s_file_finds_what_lies_beside_it(sandbox: Sandbox) -> None:
    pytest.importorskip("torch", reason="gradients are torch's")
    sandbox.write("runs/losses.py", BESIDE.encode())
    sandbox.write("runs/examples.py", b"ROWS = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]")
    done = sandbox.theta("fisher", FILE, "--losses", "runs/losses.py:losses")
    assert done.stdout == f"{FISHER}: 2 parameters\n"


def test_where_nothing_can_be_written_nothing_is_computed(sandbox: Sandbox) -> None:
    (sandbox.root / "train.py").write_text("raise SystemExit(7)")
    done = sandbox.theta("fisher", FILE, "--losses", "train.py:losses", "-o", "no/such/file", check=False)
    assert done.returncode == 2
    assert "no/such/file: cannot be written there" in done.stderr


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ("train.py:broken", "train.py:broken failed: KeyError: 'nothing'"),
        ("train.py:none", "has no function 'none'"),
        ("other.py:losses", "'other.py' is no file"),
        ("losses.py", "names no function"),
    ],
)
def test_what_goes_wrong_in_a_user_s_file_is_said_as_that(sandbox: Sandbox, losses: str, reason: str) -> None:
    pytest.importorskip("torch", reason="gradients are torch's")
    (sandbox.root / "train.py").write_text(LOSSES)
    done = sandbox.theta("fisher", FILE, "--losses", losses, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (sandbox.root / FISHER).exists()
