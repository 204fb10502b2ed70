"""Real Git: a model whose two halves serve two kinds of examples. The half that a merge moves is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from git_theta.errors import UsageError
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, safetensors_bytes, seal_environment

torch = pytest.importorskip("torch", reason="models are torch's")

from git_theta_npeff.component_moves import measure_moves, predict_disturbance  # noqa: E402 (see above)
from git_theta_npeff.decomposition_file import Decomposition, read_decomposition, write_decomposition  # noqa: E402
from git_theta_npeff.npeff_command import command  # noqa: E402

FILE, FOUND = "model.safetensors", "model.npeff.safetensors"
RUN = """
import torch

class Halves(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2, bias=False)
        self.load_state_dict({"layer.weight": tensors["layer.weight"]})

    def forward(self, rows):
        return self.layer(rows)

def run(tensors):
    left = torch.tensor([[1.0, 2.0, 0.0, 0.0]]).repeat(6, 1)
    return Halves(tensors), [left, left.roll(2, 1)]

def broken(tensors):
    return Halves(tensors), [torch.ones(1, 9)]

def foreign(tensors):
    return torch.nn.Linear(3, 2), [torch.ones(1, 3)]
"""


def checkpoint(weight: Any) -> bytes:
    stored = np.asarray(weight, "<f4")
    other = np.arange(3, dtype="<f4")
    return safetensors_bytes(
        {"layer.weight": ("F32", stored.shape, stored.tobytes()), "other": ("F32", other.shape, other.tobytes())}
    )


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A repository with a checkpoint that nothing tracks, and our folder in it: that is read as well, and made soon."""
    seal_environment(monkeypatch, tmp_path / "home")
    made = Sandbox.create(tmp_path / "repository", install=False)
    begin(made, monkeypatch)
    return made


def begin(sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
    sandbox.write(FILE, checkpoint(np.zeros((2, 4))))
    sandbox.commit("base")
    (sandbox.root / "train.py").write_text(RUN)
    patch.chdir(sandbox.root)


def call(*arguments: str) -> str:
    """`git theta npeff ARGUMENTS` in this process, which has torch."""
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def fit(*more: str) -> str:
    return call("fit", FILE, "--run", "train.py:run", "-c", "2", "--steps", "60", *more)


@pytest.mark.parametrize("form", ["low-rank", "diagonal"])
def test_a_merge_that_moves_one_half_disturbs_its_examples(sandbox: Sandbox, form: str) -> None:
    assert fit("--form", form) == f"{FOUND}: 2 components of 12 examples, 100.0% explained\n"
    sandbox.write(FILE, checkpoint([[0.2, 0.1, 0, 0], [0, 0, 0, 0]]))
    sandbox.git("commit", "--quiet", "-a", "-m", "moved")
    shown = json.loads(call("show", FILE, "--moved", "HEAD~1..HEAD", "--top", "8", "--json"))
    owners = [{one["example"] < 6 for one in part["examples"]} for part in shown["components"]]
    assert sorted(owners, key=str) == [{False}, {True}]
    first = owners.index({True})
    assert abs(shown["moved"][first]) > 0.01
    assert shown["moved"][1 - first] == pytest.approx(0, abs=1e-6)
    assert {one["example"] for one in shown["disturbed"] if one["value"] > 1e-6} == set(range(6))


@pytest.mark.usefixtures("sandbox")
def test_what_is_predicted_is_the_divergence_where_the_form_is_exact() -> None:
    fit()
    change = np.array([[0.02, 0.01, 0, 0.03], [0, 0, 0.01, 0]])
    found = read_decomposition(Path(FOUND))
    moves = measure_moves(found, {"layer.weight": np.zeros((2, 4))}, {"layer.weight": change})
    inputs = np.array([[1.0, 2, 0, 0]] * 6 + [[0, 0, 1.0, 2]] * 6)
    logits = torch.tensor(inputs @ change.T)
    divergence = (0.5 * (torch.tensor(0.5).log() - torch.log_softmax(logits, -1))).sum(1)
    np.testing.assert_allclose(predict_disturbance(found, moves), divergence, rtol=0.02)


@pytest.mark.usefixtures("sandbox")
def test_a_seed_writes_the_same_bytes() -> None:
    fit("--seed", "3")
    first = Path(FOUND).read_bytes()
    fit("--seed", "3")
    assert Path(FOUND).read_bytes() == first


def test_git_theta_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")
    begin(sandbox, monkeypatch)
    fit()
    shown = sandbox.theta("npeff", "show", FILE, "--top", "2").stdout.splitlines()
    assert shown[0] == "low-rank, 2 components of 12 examples, 100.0% explained"
    assert shown[1] == "component   share  examples"
    assert [line.split()[:2] for line in shown[2:]] == [["0", "50.0%"], ["1", "50.0%"]]


@pytest.mark.usefixtures("sandbox")
def test_a_perturbed_checkpoint_is_moved_along_the_component_alone() -> None:
    fit()
    assert (
        call("perturb", FILE, "-c", "1", "-m", "-0.5", "-o", "out.safetensors")
        == "out.safetensors: component 1, -0.5\n"
    )
    from safetensors.numpy import load_file

    moved, found = load_file("out.safetensors"), read_decomposition(Path(FOUND))
    direction = np.zeros(8)
    direction[found.columns["layer.weight"]] = found.components["layer.weight"][1]
    assert np.linalg.norm(direction) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(moved["layer.weight"].reshape(-1), -0.5 * direction, rtol=1e-6)
    assert moved["other"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["fit", FILE, "--run", "train.py:broken"], "train.py:broken failed: RuntimeError"),
        (["fit", FILE, "--run", "train.py:foreign"], "no parameter of the model is in the checkpoint"),
        (["fit", FILE, "--run", "train.py:none"], "has no function 'none'"),
        (["fit", FILE, "--run", "train.py:run", "-o", "absent/x"], "cannot be written there"),
        (["show", "other.safetensors"], "other.npeff.safetensors: there is no such file"),
        (["show", FILE, "-d", FILE], "model.safetensors: it is no decomposition"),
        (["show", FILE, "--moved", "HEAD"], "'HEAD' names no two versions"),
        (["show", FILE, "--moved", "HEAD..none"], "none"),
        (["perturb", FILE, "-c", "2", "-m", "1", "-o", "out"], "there is no component 2"),
        (["perturb", FILE, "-c", "0", "-m", "nan", "-o", "out"], "the magnitude is nan"),
        (["perturb", FILE, "-c", "0", "-m", "1", "-o", "out", "-d", "flat"], "diagonals, and have no direction"),
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(one[:3]),
)
@pytest.mark.usefixtures("sandbox")
def test_what_goes_wrong_is_named(arguments: list[str], reason: str) -> None:
    write_decomposition(make_decomposition(), Path(FOUND))
    write_decomposition(make_decomposition(form="diagonal"), Path("flat"))
    with pytest.raises(UsageError, match=reason):
        call(*arguments)
    assert not Path("out").exists()


def make_decomposition(**more: Any) -> Decomposition:
    values: dict[str, Any] = {
        "form": "low-rank",
        "explained": 0.5,
        "shapes": {"layer.weight": (2, 4)},
        "columns": {"layer.weight": np.array([0, 7])},
        "components": {"layer.weight": np.ones((2, 2), "f4")},
        "weights": np.ones((3, 2), "f4"),
        "norms": np.ones(3, "f4"),
    }
    return Decomposition(**values | more)


def test_a_version_of_another_shape_is_named() -> None:
    found = make_decomposition()
    with pytest.raises(UsageError, match=r"layer\.weight: a version has it not as \[2, 4\]"):
        measure_moves(found, {"layer.weight": np.zeros((2, 4))}, {"layer.weight": np.zeros((4, 2))})
    with pytest.raises(UsageError, match=r"layer\.weight: a version"):
        measure_moves(found, {}, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"columns": {"layer.weight": np.array([0, 8])}}, "columns of 'layer.weight' are not in its shape"),
        ({"columns": {"layer.weight": np.array([0.0, 1.0])}}, "columns of 'layer.weight' are not in its shape"),
        ({"columns": {"layer.weight": np.array([0])}}, r"components of 'layer.weight' are \[2, 2\]"),
        ({"weights": np.full((3, 2), np.nan, "f4")}, "values of 'weights' are no finite fp32"),
        ({"weights": np.ones(3, "f4")}, ""),
        ({"norms": np.ones(2, "f4")}, "of other examples"),
        ({"form": "square"}, "version 1, 'square' is not known here"),
    ],
)
def test_a_file_that_does_not_fit_together_is_named(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = tmp_path / FOUND
    write_decomposition(make_decomposition(**change), file)
    with pytest.raises(UsageError, match=rf"model\.npeff\.safetensors: it is no decomposition: .*{reason}"):
        read_decomposition(file)
