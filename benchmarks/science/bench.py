"""A base, and heads that were tuned from it, one for each task: what strategies are tried on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.science.tasks import Task
from benchmarks.science.training import Learner
from demo.encoder import StateDict

_SHOTS, _LONGER = 5, 3


@dataclass(frozen=True)
class Bench:
    """One base with its tasks.

    Attributes:
        name: for tables.
        learner: how a head is tuned and scored.
        base: the checkpoint that all heads come from.
        tasks: one for each head.
        classes: by task, the direction of each class.
    """

    name: str
    learner: Learner
    base: StateDict
    tasks: Sequence[Task]
    classes: Mapping[str, Tensor]

    def tune_heads(self, steps: int, seed: int) -> Iterator[StateDict]:
        """A head for each task, in their order."""
        for place, task in enumerate(self.tasks):
            yield self._tune([task], steps, 100 * seed + place)

    def tune_together(self, steps: int, seed: int) -> StateDict:
        """One checkpoint tuned for all tasks at once: what a merge would like to be as good as."""
        return self._tune(self.tasks, _LONGER * steps, seed)

    def _tune(self, tasks: Sequence[Task], steps: int, seed: int) -> StateDict:
        return self.learner.tune(self.base, [(task.train, self.classes[task.name]) for task in tasks], steps, seed)

    def score(self, state: StateDict, *, choosing: bool = False) -> list[float]:
        """Percent right at each task; of the examples to choose by, or of those that are told."""
        return [self.score_task(state, task, choosing=choosing) for task in self.tasks]

    def judge(self, state: StateDict) -> Tensor:
        """Which examples of all tasks, of those that are told, are put into their class: bool of shape (examples,)."""
        return torch.cat([self.learner.judge(state, task.test, self.classes[task.name]) for task in self.tasks])

    def score_task(self, state: StateDict, task: Task, *, choosing: bool = False) -> float:
        """Percent right at one task."""
        examples = task.validation if choosing else task.test
        return self.learner.score(state, examples, self.classes[task.name])


def prepare_bench(name: str, learner: Learner, base: StateDict, tasks: Sequence[Task], shots: int = _SHOTS) -> Bench:
    """The bench, with classes placed by the untuned base from a few examples of each."""
    classes = {task.name: learner.place_classes(base, task.train, shots) for task in tasks}
    return Bench(name, learner, base, tasks, classes)
