"""Tuning a model for a task, and scoring it: the same for images and sentences.

A class is a direction in the space of features: the mean of a few examples that the untuned model sees, and it stays.
So every head of a task is scored by the same classes, and so is what is merged of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.science.tasks import Examples
from demo.encoder import StateDict

Encoder = Callable[[Mapping[str, Tensor], Tensor], Tensor]
"""State dict and inputs to features, fp32 of shape (inputs, width)."""

_SHARPNESS = 12
_WARM_UP = 20
_LEAST = 8
_BATCH = 256
"""Inputs that are looked at together where nothing is learned."""


class Learner:
    """What is tuned, and how.

    Args:
        encode: the model.
        rate: the highest that the learning rate gets.
        batch: examples of a step; of several tasks each has 8 at least.
        decay: weight decay.
    """

    def __init__(self, encode: Encoder, rate: float, batch: int, decay: float = 0.01) -> None:
        self.encode = encode
        self._rate, self._batch, self._decay = rate, batch, decay

    def place_classes(self, state: StateDict, examples: Examples, each: int) -> Tensor:
        """A direction for each class, fp32 of shape (classes, width): the mean of its first ``each`` examples."""
        features = self._look(state, examples.inputs)
        middle = features.mean(0)
        count = int(examples.labels.max()) + 1
        means = [features[examples.labels == label][:each].mean(0) - middle for label in range(count)]
        return functional.normalize(torch.stack(means), dim=-1)

    def tune(self, state: StateDict, tasks: Sequence[tuple[Examples, Tensor]], steps: int, seed: int) -> StateDict:
        """The state after AdamW over all tasks at once, each with its classes.

        The rate rises for 20 steps and then falls to nothing; each task has as many examples of every step.
        """
        trained = {name: value.clone().requires_grad_() for name, value in state.items()}
        optimizer = torch.optim.AdamW(trained.values(), lr=self._rate, weight_decay=self._decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, (step + 1) / _WARM_UP) * (1 - step / steps)
        )
        random = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.autograd.backward(self._loss(trained, tasks, random))
            optimizer.step()
            schedule.step()
        return {name: value.detach() for name, value in trained.items()}

    def _loss(
        self, state: Mapping[str, Tensor], tasks: Sequence[tuple[Examples, Tensor]], random: torch.Generator
    ) -> Tensor:
        each = max(_LEAST, self._batch // len(tasks))
        drawn = [examples.pick(torch.randint(len(examples.labels), (each,), generator=random)) for examples, _ in tasks]
        features = torch.split(self.encode(state, torch.cat([examples.inputs for examples in drawn])), each)
        losses = [
            functional.cross_entropy(_compare(seen, classes), examples.labels)
            for seen, examples, (_, classes) in zip(features, drawn, tasks, strict=True)
        ]
        return torch.stack(losses).mean()

    def score(self, state: StateDict, examples: Examples, classes: Tensor) -> float:
        """The share of examples that are put into their class, in percent."""
        return 100 * float(self.judge(state, examples, classes).float().mean())

    def judge(self, state: StateDict, examples: Examples, classes: Tensor) -> Tensor:
        """Which examples are put into their class, bool of shape (examples,)."""
        return _compare(self._look(state, examples.inputs), classes).argmax(1) == examples.labels

    def _look(self, state: StateDict, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.encode(state, part) for part in torch.split(inputs, _BATCH)])


def _compare(features: Tensor, classes: Tensor) -> Tensor:
    return _SHARPNESS * functional.normalize(features, dim=-1) @ classes.T
