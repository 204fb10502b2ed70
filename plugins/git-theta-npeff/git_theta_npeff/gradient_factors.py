"""The Fisher information of single examples as factors, from the logits of a model that a user runs.

Source: Matena and Raffel, NPEFF (arXiv 2310.04649), section 3.1: that of an example is the sum over classes y of
p(y) d d^T, with d the gradient of log p(y). So it is A A^T with a column sqrt(p(y)) d for each class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from git_theta.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def yield_factors(parameters: Sequence[Tensor], outputs: Iterable[Any], classes: int) -> Iterator[Tensor]:
    """A^T of each example: its most probable classes by all elements of the parameters; fp32 (fp64 for fp64).

    Args:
        parameters: what the outputs were computed from: leaves that require gradients.
        outputs: of the model for each batch: logits, examples by classes, or what has them as ``logits``.
        classes: how many, at most.

    Raises UsageError for outputs that are no such logits.
    """
    import torch

    for output in outputs:
        logits = getattr(output, "logits", output)
        if fault := _find_fault(logits):
            raise UsageError(f"the model gave {fault}", hint="It is to give logits: a row for each example.")
        for row in torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), -1):
            likely = row.topk(min(classes, len(row))).indices
            yield torch.stack([(row[one] / 2).exp().detach() * _find_gradient(row[one], parameters) for one in likely])


def _find_gradient(value: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The gradient of a number, all parameters one after another."""
    import torch

    found = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([one.to(value.dtype).flatten() for one in found])


def _find_fault(logits: object) -> str:
    """Why these are no logits of examples; "" for some."""
    import torch

    if not isinstance(logits, torch.Tensor):
        return f"no tensor of torch but {type(logits).__name__}"
    if logits.dim() != 2 or logits.shape[1] < 2:
        return f"a tensor of shape {list(logits.shape)}"
    return "" if logits.requires_grad else "what does not depend on its parameters"
