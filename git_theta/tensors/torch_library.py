"""torch to compute with: on CUDA; on a CPU only for strategies that are written for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from git_theta.tensors.array_library import ArrayLibrary
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import DType
from git_theta.tensors.rounding import LARGEST_E4M3
from git_theta.tensors.torch_values import from_bytes, to_bytes, torch_dtype

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TorchLibrary(ArrayLibrary):
    """torch's tensors on a device.

    Args:
        device: as torch spells it.
    """

    name = "torch"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    def xp(self) -> Any:
        import array_api_compat.torch

        return array_api_compat.torch

    def dtype(self, dtype: DType) -> torch.dtype:
        return torch_dtype(dtype)

    def from_bytes(self, data: Buffer, dtype: DType) -> Tensor:
        return from_bytes(data, dtype).to(self.device)

    def to_bytes(self, stored: Tensor) -> memoryview:
        return to_bytes(stored)

    def widen(self, stored: Tensor, number: DType) -> Tensor:
        return stored.to(self.device).to(_computing_dtype(number))

    def share(self, value: float, number: DType) -> Tensor:
        import torch

        return torch.tensor([value], dtype=torch.float64).to(_computing_dtype(number)).to(self.device)

    def describe_algebra(self) -> str:
        import torch

        on = torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else self.device
        return f"torch {torch.__version__}, {on}, threads {torch.get_num_threads()}"

    def _cast(self, values: Tensor, number: DType) -> Tensor:
        if number.name == "F8_E4M3":
            values = values.clamp(-LARGEST_E4M3, LARGEST_E4M3)
        return values.to(torch_dtype(number))

    def _fill(self, stored: Tensor, chosen: Tensor, code: int, number: DType) -> Tensor:
        import torch

        signed = code - (code >> number.bits - 1 << number.bits)
        return stored.view(getattr(torch, f"int{number.bits}")).masked_fill(chosen, signed).view(stored.dtype)


def _computing_dtype(number: DType) -> torch.dtype:
    import torch

    return torch.float64 if number.name == "F64" else torch.float32
