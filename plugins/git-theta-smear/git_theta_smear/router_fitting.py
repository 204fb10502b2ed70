"""Routers are trained through the merge: experts stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from git_theta.errors import UsageError
from torch import Tensor

from git_theta_smear.smear_model import Query, SmearModel

Batch = tuple[Query, Tensor | tuple[Tensor, ...], Tensor]
"""What routers see of examples, what the model is called with, and what it should answer."""


def fit_router(
    model: SmearModel,
    batches: Iterable[Batch],
    loss: Callable[[Tensor, Tensor], Tensor],
    learning_rate: float = 0.01,
) -> list[float]:
    """Train the routers of a model, a step of Adam for each batch.

    Args:
        model: its routers are changed, in training with their dropout; afterwards they are in evaluation.
        batches: as many steps as there are batches. What is random comes from torch's generator: ``torch.manual_seed``.
        loss: of outputs and answers, a scalar.
        learning_rate: Adam's.

    Returns:
        The loss of each step.

    Raises UsageError where there is no batch, and for a loss that is not finite.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    model.train()
    try:
        losses = [_take_step(model, batch, loss, optimizer) for batch in batches]
    finally:
        model.eval()
    if not losses:
        raise UsageError(
            "there was no batch", hint="Yield what routers see, what the model is called with, and answers."
        )
    return losses


def _take_step(
    model: SmearModel, batch: Batch, loss: Callable[[Tensor, Tensor], Tensor], optimizer: torch.optim.Optimizer
) -> float:
    query, inputs, answers = batch
    found = loss(model(query, *((inputs,) if isinstance(inputs, Tensor) else inputs)), answers)
    if not bool(torch.isfinite(found)):
        raise UsageError(f"the loss is {found.item()}", hint="Look at the batch, or choose a smaller learning rate.")
    optimizer.zero_grad()
    found.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return found.item()
