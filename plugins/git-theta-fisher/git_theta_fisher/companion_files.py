"""Companions as files: written beside the checkpoint that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from git_theta.errors import StoreError, UsageError

if TYPE_CHECKING:
    from torch import Tensor


def check_target(file: Path) -> None:
    """Raise UsageError for a file that could not be written, before all is computed that shall stand in it."""
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise UsageError("cannot be written there", hint="Name a file in a folder that is there.", path=str(file))


def write_tensors(tensors: dict[str, Tensor], file: Path) -> None:
    """As the file's name asks: with torch.save, or as safetensors; from wherever they are. Raises StoreError."""
    import torch
    from safetensors.torch import save

    written = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    try:
        if file.suffix in (".pt", ".pth", ".bin", ".ckpt"):
            torch.save(written, file)
        else:
            file.write_bytes(save(written))
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}", hint="Name another file: -o FILE") from error
