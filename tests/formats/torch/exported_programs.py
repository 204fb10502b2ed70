"""Exported programs, as ``torch.export.save`` writes them."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch


class Small(torch.nn.Module):
    """Tied weights, a view, another dtype, a buffer that is no part of the state, a constant."""

    scale: torch.Tensor
    turned: torch.Tensor
    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.first, self.second = torch.nn.Linear(4, 8), torch.nn.Linear(8, 8)
        self.tied = self.second.weight
        self.register_buffer("scale", torch.ones(3, dtype=torch.bfloat16))
        self.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
        self.register_buffer("steps", torch.ones(2), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.second(self.first(x)) * self.scale.float().sum() * self.turned.sum() * self.steps.sum()
        return found + torch.tensor([1.0, 2.0]).sum()  # type: ignore[no-any-return]


@cache
def exported(file: str = "m.pt2", **state: float) -> bytes:
    """The program, with ``state``'s tensors filled with a number each; ``file`` is what it was saved to."""
    module = Small()
    for name, number in state.items():
        torch.nn.init.constant_(module.get_parameter(name.replace("__", ".")), number)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, file)
        torch.export.save(torch.export.export(module, (torch.ones(2, 4),)), path)
        return path.read_bytes()


def loaded(content: bytes) -> Mapping[str, torch.Tensor]:
    """State and constants, as torch's own loader has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(io.BytesIO(content))
    return {**program.state_dict, **program.constants}
