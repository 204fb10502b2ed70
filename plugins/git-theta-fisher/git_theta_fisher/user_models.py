"""Models and batches that a function of a user's makes, and how a model is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from git_theta.errors import UsageError

from git_theta_fisher.user_functions import load_function

if TYPE_CHECKING:
    from torch import Tensor, nn

_TAKES = "It is given the tensors, and returns a model with these weights and an iterable of batches."


def make_run(spelled: str, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Iterable[Any]]:
    """What the function that FILE.py:NAME names returns. Raises UsageError for anything but a model and batches."""
    from torch import nn

    made = load_function(spelled, "--run", _TAKES)(tensors)
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[0], nn.Module):
        raise UsageError(f"{spelled} returned no model with batches but {type(made).__name__}", hint=_TAKES)
    return made


def call_model(model: nn.Module, batch: Any) -> Any:
    """Run it on a batch: a tuple is its arguments, a mapping its keywords, all else one argument."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple) else model(batch)
