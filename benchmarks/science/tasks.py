"""What a model is tuned for and scored by: labelled inputs, in three parts that share none."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_TRAIN, _VALIDATION = 0.55, 0.10


class Examples(NamedTuple):
    """Labelled inputs.

    Attributes:
        inputs: of shape (examples, ...).
        labels: int64 of shape (examples,).
    """

    inputs: Tensor
    labels: Tensor

    def first(self, count: int) -> Examples:
        """So many of them at most."""
        return Examples(self.inputs[:count], self.labels[:count])

    def pick(self, places: Tensor) -> Examples:
        """Those at these places."""
        return Examples(self.inputs[places], self.labels[places])


class Task(NamedTuple):
    """One task.

    Attributes:
        name: for tables.
        train: what heads learn from.
        validation: what settings are chosen by.
        test: what is told.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples

    def cut(self, train: int, validation: int, test: int) -> Task:
        """A smaller task."""
        return Task(self.name, self.train.first(train), self.validation.first(validation), self.test.first(test))


def split_examples(name: str, inputs: Tensor, labels: Tensor) -> Task:
    """A task of examples that stand in random order: 55 % to train, 10 % to choose by, 35 % to test."""
    examples = Examples(inputs, labels)
    ends = [int(len(labels) * share) for share in (_TRAIN, _TRAIN + _VALIDATION)]
    train, validation, test = (
        Examples(*parts) for parts in zip(*(torch.tensor_split(part, ends) for part in examples), strict=True)
    )
    return Task(name, train, validation, test)
