"""Bytes as torch tensors and back: by view, never by copy where the bytes lie as torch needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from git_theta.errors import ThetaError
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_TORCH, DType
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def torch_dtype(dtype: DType) -> torch.dtype:
    """The dtype as torch has it. Raises ThetaError where this torch has none (F4, F6, newer ones)."""
    import torch

    found = getattr(torch, dtype.torch, None) if dtype.torch else None
    if not isinstance(found, torch.dtype):
        raise ThetaError(f"torch {torch.__version__} has no dtype for {dtype.name}", hint="Upgrade torch.")
    return found


def spec_of(tensor: Tensor) -> Spec:
    """The dtype and shape of a tensor; torch counts packed types (float4_e2m1fn_x2) in whole bytes, and so do we."""
    return Spec(BY_TORCH[str(tensor.dtype).removeprefix("torch.")], tuple(tensor.shape))


def from_bytes(data: Buffer, dtype: DType) -> Tensor:
    """``data`` as a 1-D tensor of ``dtype``; never write into it.

    Args:
        data: whole elements, little-endian. Read-only bytes are fine; they live as long as the tensor.
        dtype: any that torch has.

    Copied only where the address is no multiple of the element's size. Raises ThetaError (see ``torch_dtype``), and
    ValueError when ``data`` ends within an element.
    """
    import torch

    kind = torch_dtype(dtype)
    if len(data) % kind.itemsize:
        raise ValueError(f"{len(data)} bytes are no whole number of {dtype.name}")
    if not len(data):
        return torch.empty(0, dtype=torch.uint8).view(kind)
    return torch.from_numpy(_writable(data, kind.itemsize)).view(kind)


def to_bytes(tensor: Tensor) -> memoryview:
    """The tensor's values, row-major and little-endian: a view, or a copy of what is strided or on another device."""
    import torch

    flat = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


class _Lent:
    """Bytes that claim to be writable. torch warns of read-only ones, and the warning can only be muted globally."""

    def __init__(self, data: Buffer, address: int) -> None:
        self.data = data
        self.__array_interface__ = {"data": (address, False), "shape": (len(data),), "typestr": "|u1", "version": 3}


def _writable(data: Buffer, alignment: int) -> Any:
    import numpy as np

    array = np.frombuffer(data, np.uint8)
    if array.ctypes.data % alignment:
        return array.copy()
    return np.asarray(_Lent(data, array.ctypes.data))
