"""Callbacks in the training loops of transformers and of Lightning, as those run them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import git_theta
from git_theta.api import training_callbacks
from git_theta.errors import BranchMoved, UsageError
from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit

FILE, BRANCH = "model.safetensors", "runs/7"


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    track_and_commit(sandbox, {FILE: safetensors_bytes({"weight": ("F32", (1,), bytes(4))})})
    return sandbox


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What these libraries warn of is their own business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Counter(torch.nn.Module):
    """A model whose one weight is the number of steps that it was trained for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> Mapping[str, torch.Tensor]:
        return {"loss": -(self.weight * x).mean()}


def open_checkpointer(repository: Sandbox) -> git_theta.Checkpointer:
    return git_theta.Checkpointer(FILE, branch=BRANCH, repo=repository.root)


def commits(repository: Sandbox) -> list[tuple[str, float]]:
    """Subject, and the weight there, of each commit of the run."""
    lines = repository.git("log", "--reverse", "--format=%H %s", f"main..{BRANCH}").stdout.splitlines()
    found = (line.partition(" ")[::2] for line in lines)
    return [(subject, float(git_theta.load(FILE, commit, repository.root)["weight"][0])) for commit, subject in found]


def train_with_transformers(folder: Path, checkpointer: git_theta.Checkpointer, **given: Any) -> Any:
    transformers = pytest.importorskip("transformers", reason="transformers are not installed")
    pytest.importorskip("accelerate", reason="the Trainer needs accelerate, which is not installed")
    options = {"save_strategy": "no", "logging_steps": 2, "max_steps": 5, **given.pop("options", {})}
    arguments = transformers.TrainingArguments(
        output_dir=folder, use_cpu=True, report_to=[], disable_tqdm=True, learning_rate=1.0, optim="sgd",
        lr_scheduler_type="constant", per_device_train_batch_size=1, max_grad_norm=0, **options,
    )  # fmt: skip
    trainer = transformers.Trainer(
        Counter(),
        arguments,
        train_dataset=[{"x": torch.ones(1)} for _ in range(8)],
        callbacks=[git_theta.trainer_callback(checkpointer, **given)],
    )
    trainer.train()
    return trainer


def test_transformers_save_every_so_many_steps_and_the_last_one(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        train_with_transformers(tmp_path, checkpointer, every=2)
        # The end of the training has waited for all of them.
        assert commits(repository) == [("step 2", 2.0), ("step 4", 4.0), ("step 5", 5.0)]
    body = repository.git("show", "--no-patch", "--format=%b", f"{BRANCH}~").stdout
    assert "loss: " in body
    assert not list(tmp_path.glob("checkpoint-*"))


def test_transformers_save_whenever_the_trainer_does(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        options = {"save_strategy": "steps", "save_steps": 3, "max_steps": 6}
        train_with_transformers(tmp_path, checkpointer, options=options)
    assert commits(repository) == [("step 3", 3.0), ("step 6", 6.0)]
    assert len(list(tmp_path.glob("checkpoint-*"))) == 2


def test_a_part_of_the_model_can_be_saved(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        train_with_transformers(
            tmp_path, checkpointer, every=5, tensors=lambda model: {"half": model.weight.detach() / 2}
        )
    assert float(git_theta.load(FILE, BRANCH, repository.root)["half"][0]) == 2.5


def test_a_save_that_failed_stops_the_training(repository: Sandbox, tmp_path: Path) -> None:
    with (
        pytest.raises(BranchMoved, match=r"is at .* and was expected at no commit"),
        open_checkpointer(repository) as one,
    ):
        repository.git("branch", BRANCH, "main")
        train_with_transformers(tmp_path, one, every=1)


def train_with_lightning(folder: Path, checkpointer: git_theta.Checkpointer, every: int | None, **given: Any) -> None:
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            loss = -(self.weight * batch).mean()
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1.0)

    trainer = lightning.Trainer(
        callbacks=[git_theta.lightning_callback(checkpointer, every=every)], enable_checkpointing=False, logger=False,
        accelerator="cpu", devices=1, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, **given,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader([torch.ones(1)] * 4, batch_size=1))  # type: ignore[arg-type]


def test_lightning_saves_every_so_many_steps_and_the_last_one(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        train_with_lightning(tmp_path, checkpointer, every=3, max_epochs=2)
        assert commits(repository) == [("step 3", 3.0), ("step 6", 6.0), ("step 8", 8.0)]
    assert "train_loss: -" in repository.git("show", "--no-patch", "--format=%b", BRANCH).stdout


def test_lightning_saves_at_the_end_of_each_epoch(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        train_with_lightning(tmp_path, checkpointer, every=None, max_epochs=3)
    assert commits(repository) == [("step 4", 4.0), ("step 8", 8.0), ("step 12", 12.0)]


def test_batches_that_are_gathered_are_one_step(repository: Sandbox, tmp_path: Path) -> None:
    with open_checkpointer(repository) as checkpointer:
        train_with_lightning(tmp_path, checkpointer, every=1, max_epochs=1, accumulate_grad_batches=2)
    assert commits(repository) == [("step 1", 1.0), ("step 2", 2.0)]


def test_of_lightnings_two_packages_the_one_in_use_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", SimpleNamespace(Callback=type("Callback", (), {})))
    found = git_theta.lightning_callback(None)  # type: ignore[arg-type]
    assert isinstance(found, sys.modules["pytorch_lightning"].Callback)


def test_what_is_logged_and_no_number_stops_no_training(repository: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lightning.pytorch", raising=False)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", SimpleNamespace(Callback=type("Callback", (), {})))
    logged = {"loss": torch.tensor(0.5), "lr": "3e-4", "note": "warm-up", "many": torch.ones(3), "none": None}
    trainer: Any = SimpleNamespace(global_step=1, is_global_zero=True, callback_metrics=logged)
    with open_checkpointer(repository) as checkpointer:
        git_theta.lightning_callback(checkpointer, every=1).on_train_batch_end(trainer, Counter())
    assert repository.git("show", "--no-patch", "--format=%B", BRANCH).stdout.split("\n")[2:4] == [
        "loss: 0.5",
        "lr: 0.0003",
    ]
    assert "note" not in repository.git("show", "--no-patch", "--format=%B", BRANCH).stdout


@pytest.mark.parametrize(
    ("make", "module", "extra"),
    [
        (git_theta.trainer_callback, "transformers", "transformers"),
        (git_theta.lightning_callback, "lightning", "lightning"),
    ],
)
def test_what_is_not_installed_is_told_with_what_installs_it(
    make: Callable[..., object], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"takes {module}.*: pip install 'git-theta\[{extra}\]'"):
        make(None)


@pytest.mark.parametrize("every", [0, -5])
def test_a_number_of_steps_is_positive(every: int) -> None:
    with pytest.raises(UsageError, match="every is"):
        training_callbacks._StepSaves(None, every, None)  # type: ignore[arg-type]
