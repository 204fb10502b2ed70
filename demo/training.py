"""Short, real training runs: which texts belong together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load, save_file
from torch import Tensor
from torch.nn import functional

from demo.encoder import StateDict, Tokenizer, embed_texts
from demo.texts import Pair, Task

BATCH, STEPS, RATE, TEMPERATURE = 16, 12, 5e-5, 0.05


class Score(NamedTuple):
    """How good a checkpoint is at a task.

    Attributes:
        loss: the contrastive loss over all pairs held out, in nats.
        found: how many first texts find their own second one among all of them.
        of: how many pairs there are.
    """

    loss: float
    found: int
    of: int


def read_checkpoint(file: Path) -> StateDict:
    """The checkpoint of a safetensors file; not mapped, so that it stays as it is when the file is written to."""
    return load(file.read_bytes())


def fine_tune(file: Path, task: Task, tokenizer: Tokenizer, only: str = "") -> int:
    """Train a checkpoint with AdamW, and save it over its file.

    Args:
        file: safetensors, with the parameters of a BERT encoder.
        task: its ``train`` pairs are visited in order, from the start again where they run out.
        tokenizer: the model's.
        only: train the parameters whose names start so.

    Returns:
        How many parameters have other values now.
    """
    before, state = read_checkpoint(file), read_checkpoint(file)
    trained = [value for name, value in state.items() if name.startswith(only) and value.is_floating_point()]
    optimizer = torch.optim.AdamW([value.requires_grad_() for value in trained], lr=RATE, weight_decay=0)
    pairs = itertools.cycle(task.train)
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(contrastive_loss(state, list(itertools.islice(pairs, BATCH)), tokenizer))
        optimizer.step()
    save_file({name: value.detach() for name, value in state.items()}, file, metadata={"format": "pt"})
    return sum(not torch.equal(before[name], state[name]) for name in state)


def evaluate_task(state: StateDict, task: Task, tokenizer: Tokenizer) -> Score:
    """How good a checkpoint is on the pairs held out."""
    with torch.no_grad():
        similar = _similarities(state, task.held_out, tokenizer)
    found = similar.argmax(1) == torch.arange(len(similar))
    return Score(float(_loss(similar)), int(found.sum()), len(found))


def contrastive_loss(state: StateDict, pairs: Sequence[Pair], tokenizer: Tokenizer) -> Tensor:
    """How badly each first text finds its own second one among all of these, 0-d."""
    return _loss(_similarities(state, pairs, tokenizer))


def _similarities(state: StateDict, pairs: Sequence[Pair], tokenizer: Tokenizer) -> Tensor:
    """Each first text against each second one, fp32 of shape (pairs, pairs): cosines over the temperature."""
    first, second = (embed_texts(state, tokenizer([pair[side] for pair in pairs])) for side in (0, 1))
    return first @ second.T / TEMPERATURE


def _loss(similar: Tensor) -> Tensor:
    """Each first text is to find its own second one: InfoNCE (arXiv 1807.03748), 0-d."""
    return functional.cross_entropy(similar, torch.arange(len(similar)))
