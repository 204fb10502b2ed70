"""The diagonal of the Fisher information of a model, from gradients of a loss that a user brings.

Source: Matena and Raffel (arXiv 2111.09832), equation 3, with labels as the data have them (the empirical Fisher): the
mean over examples of the squared gradient of the log-likelihood. The square of a mean over several examples is not the
mean of their squares: a loss is that of one example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from git_theta.errors import UsageError

from git_theta_fisher.sum_dtypes import choose_sum_dtype

if TYPE_CHECKING:
    from torch import Tensor


def estimate_fisher(
    parameters: Mapping[str, Tensor], losses: Iterable[Tensor], most: int | None = None
) -> dict[str, Tensor]:
    """The mean of squared gradients.

    Args:
        parameters: what the losses were computed from: leaves that require gradients, by name.
        losses: scalars, one for each example: negative log-likelihoods.
        most: how many of them, at most.

    Returns:
        For each parameter a tensor of its shape, fp32 (fp64 for fp64); zeros for one that no loss depends on.

    Raises UsageError where there is no loss, or one that is no finite scalar, or depends on nothing.
    """
    import torch

    names = list(parameters)
    totals = {name: torch.zeros_like(one, dtype=choose_sum_dtype(one)) for name, one in parameters.items()}
    count = 0
    for loss in islice(losses, most):
        if fault := _find_fault(loss):
            raise UsageError(
                f"loss {count + 1} is {fault}", hint="Yield a finite scalar that is computed from the tensors."
            )
        found = torch.autograd.grad(loss.reshape(()), [parameters[name] for name in names], allow_unused=True)
        for name, gradient in zip(names, found, strict=True):
            if gradient is not None:
                totals[name] += gradient.detach().to(totals[name].dtype) ** 2
        count += 1
    if not count:
        raise UsageError("there was no loss", hint="Yield one for each example.")
    return {name: total / count for name, total in totals.items()}


def _find_fault(loss: object) -> str:
    """Why it is no loss; "" for one."""
    import torch

    if not isinstance(loss, torch.Tensor):
        return f"no tensor of torch but {type(loss).__name__}"
    if loss.numel() != 1:
        return f"of shape {list(loss.shape)}"
    if not loss.requires_grad:
        return "not computed from the tensors"
    return "" if bool(torch.isfinite(loss)) else str(loss.item())
