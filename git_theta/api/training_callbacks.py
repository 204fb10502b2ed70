"""Callbacks that have other people's training loops save through a ``Checkpointer``.

Their classes derive from those of the library that runs the loop, so they are made when a person asks for one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from git_theta.api.checkpointer import Checkpointer
from git_theta.api.extras import load_extra
from git_theta.errors import UsageError

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from transformers import TrainerCallback

    TensorsOf = Callable[[Any], Mapping[str, Any]]

_LIGHTNING = ("lightning.pytorch", "pytorch_lightning")
"""The two packages that Lightning comes as: a callback has to be of the one whose trainer takes it."""


def make_trainer_callback(
    checkpointer: Checkpointer, *, every: int | None = None, tensors: TensorsOf | None = None
) -> TrainerCallback:
    """A callback for the ``Trainer`` of transformers; exported as ``git_theta.trainer_callback``.

    It saves the model as ``Checkpointer.save`` does: training waits for the copy alone. Messages name the step, and
    the numbers that were logged last. The end of the training saves its last step, and waits for all of them. What a
    save in the background failed with stops the training.

    Args:
        checkpointer: saves them; close it when the training is over, or use it in a ``with`` block.
        every: the number of steps between two saves; None for whenever the trainer saves (``save_strategy``).
        tensors: gives what of the model is saved, as ``git_theta.save`` takes it; None for its ``state_dict()``. PEFT's
            ``get_peft_model_state_dict`` gives the adapter alone.

    Raises:
        UsageError: ``every`` is no positive number.
        ModuleNotFoundError: transformers are not installed (``pip install 'git-theta[transformers]'``).

    Example:
        >>> with git_theta.Checkpointer("model.safetensors", branch="runs/7") as checkpointer:
        ...     trainer.add_callback(git_theta.trainer_callback(checkpointer, every=500))
        ...     trainer.train()
    """
    saves = _StepSaves(checkpointer, every, tensors)

    class ThetaTrainerCallback(load_extra("transformers", "transformers").TrainerCallback):  # type: ignore[misc]
        """Saves through a ``git_theta.Checkpointer``."""

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
            if saves.is_due(state.global_step):
                self._save(state, given["model"])

        def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
            if every is None:
                self._save(state, given["model"])

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
            self._save(state, given["model"])
            checkpointer.wait()

        def _save(self, state: Any, model: Any) -> None:
            if state.is_world_process_zero:
                saves.save(model, state.global_step, state.log_history[-1] if state.log_history else {})

    return ThetaTrainerCallback()


def make_lightning_callback(
    checkpointer: Checkpointer, *, every: int | None = None, tensors: TensorsOf | None = None
) -> Callback:
    """A callback for the ``Trainer`` of Lightning; exported as ``git_theta.lightning_callback``.

    As ``git_theta.trainer_callback``; messages name the step, and the metrics that the trainer has for callbacks.

    Args:
        checkpointer: as there.
        every: the number of optimizer steps between two saves; None for the end of each epoch.
        tensors: gives what of the ``LightningModule`` is saved; None for its ``state_dict()``.

    Raises:
        UsageError: ``every`` is no positive number.
        ModuleNotFoundError: Lightning is not installed (``pip install 'git-theta[lightning]'``).

    Example:
        >>> with git_theta.Checkpointer("model.safetensors", branch="runs/7") as checkpointer:
        ...     callback = git_theta.lightning_callback(checkpointer, every=500)
        ...     Trainer(callbacks=[callback], enable_checkpointing=False).fit(module, loader)
    """
    saves = _StepSaves(checkpointer, every, tensors)

    class ThetaLightningCallback(_find_lightning().Callback):  # type: ignore[misc]
        """Saves through a ``git_theta.Checkpointer``."""

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if saves.is_due(trainer.global_step):
                self._save(trainer, pl_module)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if every is None:
                self._save(trainer, pl_module)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self._save(trainer, pl_module)
            checkpointer.wait()

        def _save(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero:
                saves.save(module, trainer.global_step, trainer.callback_metrics)

    return ThetaLightningCallback()


def _find_lightning() -> Any:
    """The package whose trainer is in use: the one that is imported already; else that of the extra."""
    loaded = [name for name in _LIGHTNING if name in sys.modules]
    return load_extra(loaded[0] if loaded else _LIGHTNING[0], "lightning")


class _StepSaves:
    """Which steps are saved, each once."""

    def __init__(self, checkpointer: Checkpointer, every: int | None, tensors: TensorsOf | None) -> None:
        if every is not None and every < 1:
            raise UsageError(f"every is {every}, and no number of steps", hint="every=500; None: as the trainer does.")
        self._checkpointer, self._every, self._tensors = checkpointer, every, tensors
        self._saved = 0

    def is_due(self, step: int) -> bool:
        """Whether the step is one of those that are counted off. Several batches may make one step."""
        return self._every is not None and step > 0 and step % self._every == 0

    def save(self, model: Any, step: int, figures: Mapping[str, Any]) -> None:
        """Save what the model is after a step, unless that was done."""
        if step != self._saved:
            self._saved = step
            found = model.state_dict() if self._tensors is None else self._tensors(model)
            self._checkpointer.save(found, message=_describe_step(step, figures))


def _describe_step(step: int, figures: Mapping[str, Any]) -> str:
    """A commit's message: the step, and a line for each figure that is a number: people log texts, too."""
    numbers = {name: _read_number(value) for name, value in figures.items() if name != "step"}
    lines = [f"{name}: {number:.6g}" for name, number in numbers.items() if number is not None]
    return "\n".join([f"step {step}", *([""] if lines else []), *lines])


def _read_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # a text, or a tensor of several elements
        return None
