"""Gram matrices of the inputs of linear layers, X^T X / n, from a model that a user runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from git_theta.errors import UsageError

from git_theta_fisher.sum_dtypes import choose_sum_dtype
from git_theta_fisher.user_models import call_model

if TYPE_CHECKING:
    from torch import Tensor, nn


class _GramSum:
    """The sum of x^T x over rows, and how many there were."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.rows = 0

    def add(self, inputs: Tensor) -> None:
        """Add rows: all dimensions but the last."""
        wide = inputs.detach().reshape(-1, inputs.shape[-1]).to(choose_sum_dtype(inputs))
        found = wide.T @ wide
        self.total = found if self.total is None else self.total.add_(found)
        self.rows += len(wide)


def estimate_grams(
    model: nn.Module, batches: Iterable[Any], names: Collection[str], most: int | None = None
) -> dict[str, Tensor]:
    """The Gram matrices of the inputs of all linear layers of a model.

    Args:
        model: it is run on each batch, without gradients, as it is (``model.eval()`` is the caller's).
        batches: what the model is called with: a tuple is its arguments, a mapping its keywords, all else one argument.
        names: of the parameters of the checkpoint; layers whose weight is none of them are left out.
        most: how many batches, at most.

    Returns:
        For the weight of each linear layer (out, in) that saw a row, a matrix (in, in), fp32 (fp64 for fp64).

    Raises UsageError where no layer has its weight in the checkpoint, where there is no batch, and for inputs that are
    not finite.
    """
    import torch

    with _watch_layers(model, names) as sums, torch.inference_mode():
        count = 0
        for batch in islice(batches, most):
            call_model(model, batch)
            count += 1
    if not count:
        raise UsageError("there was no batch", hint="Yield what the model is called with.")
    found = {name: one.total / one.rows for name, one in sums.items() if one.total is not None and one.rows}
    for name, gram in found.items():
        if not bool(torch.isfinite(gram).all()):
            raise UsageError(f"inputs of {name} are not finite, or too large", hint="Look at the batches.")
    return found


@contextmanager
def _watch_layers(model: nn.Module, names: Collection[str]) -> Iterator[Mapping[str, _GramSum]]:
    """The sums over inputs of the linear layers, by the name of the weight, while the block runs."""
    from torch import nn

    layers = {f"{name}.weight".lstrip("."): one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    known = {name: one for name, one in layers.items() if name in names}
    if not known:
        seen = f": {next(iter(layers))!r} is none of its parameters" if layers else ""
        raise UsageError(
            f"no linear layer of the model has its weight in the checkpoint{seen}",
            hint="The model's layers are to be called as the checkpoint's parameters are.",
        )
    sums = {name: _GramSum() for name in known}
    handles = [one.register_forward_pre_hook(_make_hook(sums[name]), with_kwargs=True) for name, one in known.items()]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()


def _make_hook(total: _GramSum) -> Any:
    def hook(_: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        total.add(inputs[0] if inputs else named["input"])

    return hook
