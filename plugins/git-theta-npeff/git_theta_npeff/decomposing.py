"""From a model and its batches to a decomposition of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from git_theta.errors import UsageError
from git_theta_fisher.user_models import call_model

from git_theta_npeff.decomposition_file import Decomposition
from git_theta_npeff.diagonal_factors import fit_diagonals
from git_theta_npeff.example_fishers import ExampleFishers, collect_fishers
from git_theta_npeff.factors import Factors, Form
from git_theta_npeff.gradient_factors import yield_factors
from git_theta_npeff.low_rank_factors import fit_low_rank

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class FitSettings:
    """How to decompose.

    Attributes:
        form: of Fishers and components.
        components: how many.
        classes: of each example, the most probable ones.
        values: elements of each example's Fisher that are kept.
        steps: of the factorisation.
        seed: of what it begins with.
    """

    form: Form
    components: int
    classes: int
    values: int
    steps: int
    seed: int


def decompose_model(
    model: nn.Module, batches: Iterable[Any], tensors: Mapping[str, Tensor], settings: FitSettings, most: int | None
) -> Decomposition:
    """Decompose the Fisher information of examples, over the parameters that the checkpoint has.

    Args:
        model: run as it is (``model.eval()`` is the caller's); a row of its logits depends on one example alone.
        batches: what it is called with.
        tensors: of the checkpoint, by name.
        settings: how.
        most: how many batches, at most.

    Raises UsageError where the model has no parameter of the checkpoint, and for outputs that are no logits.
    """
    parameters = {name: one for name, one in model.named_parameters() if name in tensors and one.requires_grad}
    if not parameters:
        raise UsageError(
            "no parameter of the model is in the checkpoint",
            hint="Call them as the checkpoint does; they need gradients.",
        )
    outputs = (call_model(model, batch) for batch in islice(batches, most))
    factors = yield_factors(list(parameters.values()), outputs, settings.classes)
    fishers = collect_fishers(factors, settings.form, settings.values)
    fit = fit_diagonals if settings.form == "diagonal" else fit_low_rank
    found = fit(fishers, settings.components, settings.steps, settings.seed)
    return _split_parameters(found, fishers, {name: tuple(one.shape) for name, one in parameters.items()})


def _split_parameters(found: Factors, fishers: ExampleFishers, shapes: dict[str, tuple[int, ...]]) -> Decomposition:
    """The same, parameter by parameter."""
    import torch

    starts = [0, *accumulate(math.prod(shape) for shape in shapes.values())]
    bounds = torch.searchsorted(fishers.columns, torch.tensor(starts)).tolist()
    columns, components = {}, {}
    for name, start, first, last in zip(shapes, starts, bounds, bounds[1:], strict=False):
        if first < last:
            columns[name] = (fishers.columns[first:last] - start).numpy()
            components[name] = found.components[:, first:last].float().contiguous().numpy()
    weights, norms = found.weights.float().contiguous().numpy(), fishers.norms.float().numpy()
    return Decomposition(found.form, found.explained, shapes, columns, components, weights, norms)
