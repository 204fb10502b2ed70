"""Tensors that Python code gives to merge, torch's or numpy's, as operands; and results as what was given."""

from __future__ import annotations

import hashlib
import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from git_theta.errors import UsageError
from git_theta.merging.base import Operand
from git_theta.tensors.array_library import ArrayLibrary, Vector
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.dtypes import BY_TORCH
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class GivenOperand(Operand):
    """A tensor in somebody's memory.

    Attributes:
        device: where it is, as torch spells it.
    """

    device: str

    @abstractmethod
    def copy(self) -> Any:
        """A tensor of its kind, and of the same bytes."""

    @abstractmethod
    def fill(self, chunks: Iterable[Vector], library: ArrayLibrary) -> Any:
        """A tensor of its kind, shape and device; ``chunks``: its values, as stored arrays."""


class TensorOperand(GivenOperand):
    """A torch tensor as an operand.

    Args:
        tensor: strided, of any dtype and shape, on any device.
    """

    def __init__(self, tensor: Tensor) -> None:
        from git_theta.tensors.torch_values import spec_of, to_bytes

        self.tensor = tensor.detach().resolve_conj().resolve_neg()
        self.spec, self.device = spec_of(tensor), str(tensor.device)
        self.oid = hashlib.sha256(to_bytes(self.tensor)).hexdigest()

    def blocks(self) -> Iterator[Buffer]:
        from git_theta.tensors.torch_values import to_bytes

        return _cut(to_bytes(self.tensor))

    def arrays(self, library: ArrayLibrary) -> Iterator[Vector]:
        return iter([self.tensor.reshape(-1)]) if library.name == "torch" else super().arrays(library)

    def copy(self) -> Tensor:
        """Not ``clone``: it has no sub-byte dtypes, and makes any true boolean a 1."""
        import torch

        flat = self.tensor.reshape(-1)
        return flat.view(torch.uint8).clone().view(flat.dtype).reshape(self.tensor.shape)

    def fill(self, chunks: Iterable[Vector], library: ArrayLibrary) -> Tensor:
        import torch

        from git_theta.tensors.torch_values import from_bytes

        filled = torch.empty(self.spec.nbytes, dtype=torch.uint8, device=self.tensor.device)
        start = 0
        for chunk in chunks:
            here = chunk if library.name == "torch" else from_bytes(library.to_bytes(chunk), _BYTE)
            raw = here.view(torch.uint8)
            filled[start : start + len(raw)] = raw
            start += len(raw)
        return filled.view(self.tensor.dtype).reshape(self.tensor.shape)


class ArrayOperand(GivenOperand):
    """A numpy array as an operand.

    Args:
        array: of a dtype that torch has too, in any order of axes and bytes. bf16 and fp8 are those of ml_dtypes.
    """

    device = "cpu"

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.spec = Spec(BY_TORCH[array.dtype.name], array.shape)
        self.oid = hashlib.sha256(self._bytes()).hexdigest()

    def blocks(self) -> Iterator[Buffer]:
        return _cut(self._bytes())

    def copy(self) -> NDArray[Any]:
        import numpy as np

        return np.array(self.array)

    def fill(self, chunks: Iterable[Vector], library: ArrayLibrary) -> NDArray[Any]:
        import numpy as np

        filled = bytearray(self.spec.nbytes)
        start = 0
        for chunk in chunks:
            raw = library.to_bytes(chunk)
            filled[start : start + len(raw)] = raw
            start += len(raw)
        little = np.frombuffer(filled, self.array.dtype.newbyteorder("<"))
        return little.reshape(self.array.shape).astype(self.array.dtype, copy=False)

    def _bytes(self) -> memoryview:
        import numpy as np

        little = self.array.astype(self.array.dtype.newbyteorder("<"), order="C", copy=False)
        return little.reshape(-1).view(np.uint8).data


_BYTE = BY_TORCH["uint8"]


def operand_of(value: object, name: str) -> GivenOperand:
    """A tensor as an operand. Raises UsageError, with its name, for what is no dense tensor."""
    import numpy as np

    torch = sys.modules.get("torch")  # whoever has one of its tensors has imported it
    if torch and isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
        return TensorOperand(value)
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        dtype = BY_TORCH.get(value.dtype.name)
        if dtype and dtype.bits == 8 * value.dtype.itemsize:
            return ArrayOperand(value)
    dtype_name = f" of {value.dtype}" if isinstance(value, np.ndarray) else ""
    raise UsageError(
        f"{name!r} is no dense tensor but {type(value).__name__}{dtype_name}",
        hint="Merge dense torch tensors, or numpy arrays of numbers; leave other values out.",
    )


def _cut(data: memoryview) -> Iterator[Buffer]:
    return (data[start : start + BLOCK] for start in range(0, len(data), BLOCK))
