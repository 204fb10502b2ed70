"""Companions as files: written beside the checkpoint that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from git_theta.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(tensors: dict[str, Tensor], file: Path) -> None:
    """As the name asks: with torch.save, or as safetensors. Raises StoreError."""
    import torch
    from safetensors.torch import save

    try:
        if file.suffix in (".pt", ".pth", ".bin", ".ckpt"):
            torch.save(tensors, file)
        else:
            file.write_bytes(save(tensors))
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}") from error
