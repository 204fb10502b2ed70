"""Verified bytes as arrays of numpy and tensors of torch, whatever the dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.errors import CorruptObject, UsageError
from git_theta.tensors.dtypes import BY_NAME, DType

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_BYTES_HINT = "Its bytes as they are stored: tobytes()."


class FlatWindow(NamedTuple):
    """What of a flat run of elements a tensor is.

    Attributes:
        dtype: by name.
        shape: the tensor's.
        stride: elements to step per dimension; None for contiguous.
        offset: the first element.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    offset: int = 0

    @property
    def steps(self) -> tuple[int, ...]:
        """Elements to step per dimension."""
        if self.stride is not None:
            return self.stride
        steps, step = [], 1
        for size in reversed(self.shape):
            steps.append(step)
            step *= size
        return tuple(reversed(steps))

    @property
    def end(self) -> int:
        """The element after the last one."""
        if 0 in self.shape:
            return self.offset
        return self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.steps, strict=True)) + 1


def array_of(data: bytearray, window: FlatWindow) -> NDArray[Any]:
    """A tensor as an array of its own: row-major, little-endian, writable.

    Args:
        data: the bytes, which nobody else holds.
        window: what of them.

    Raises UsageError for a dtype that neither numpy nor ml_dtypes has, CorruptObject where the bytes end before that.
    """
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    kind = _numpy_dtype(window.dtype)
    count = len(data) // kind.itemsize
    flat = np.frombuffer(data, kind, count) if count else np.empty(0, kind)
    _require_inside(window, len(flat))
    if window.stride is None:
        return flat[window.offset : window.end].reshape(window.shape)
    steps = [step * kind.itemsize for step in window.stride]
    return np.ascontiguousarray(as_strided(flat[window.offset :], window.shape, steps)).reshape(window.shape)


def tensor_of(data: bytearray, window: FlatWindow, device: torch.device | str) -> torch.Tensor:
    """A tensor of torch on a device: contiguous, its own, without gradients.

    As ``array_of``; raises UsageError for a dtype that has no plain elements in torch, and a device that is not here,
    ThetaError for a dtype that this torch has not.
    """
    import torch

    from git_theta.tensors.torch_values import from_bytes

    dtype = _known_dtype(window.dtype)
    if dtype.kind in ("quantized", "bits") or dtype.bits < 8 or dtype.block > 1:
        raise UsageError(f"a tensor of {dtype.name} cannot be made of its values alone", hint=_BYTES_HINT)
    width = dtype.bits // 8
    flat = from_bytes(memoryview(data)[: len(data) // width * width], dtype)
    _require_inside(window, len(flat))
    place = _find_device(device)
    found = torch.as_strided(flat, window.shape, window.steps, window.offset)
    if window.stride is not None:
        found = found.clone(memory_format=torch.contiguous_format)
    return found.to(place)


def _find_device(device: torch.device | str) -> torch.device:
    """The device of torch, if it is there. Raises UsageError."""
    import torch

    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"torch knows no device {device!r}", hint="As in: cpu, cuda, cuda:1.") from error
    if place.type == "cuda" and (place.index or 0) >= (torch.cuda.device_count() if torch.cuda.is_available() else 0):
        raise UsageError(f"there is no device {str(place)!r} here", hint="device='cpu'")
    return place


def _numpy_dtype(name: str) -> Any:
    """Numpy's dtype of that name, or ml_dtypes' where numpy has none."""
    import numpy as np

    dtype = _known_dtype(name)
    if dtype.kind in ("quantized", "bits") or dtype.bits < 8 or dtype.block > 1 or not dtype.torch:
        raise UsageError(f"numpy has no dtype for {name}", hint=_BYTES_HINT)
    try:
        return np.dtype(dtype.torch).newbyteorder("<")
    except TypeError:
        pass
    try:
        import ml_dtypes
    except ModuleNotFoundError as error:
        raise UsageError(
            f"numpy has no dtype for {name}, and the package that adds it is not installed",
            hint="pip install 'git-theta[notebook]', or take torch().",
        ) from error
    kind = getattr(ml_dtypes, dtype.torch, None)
    if kind is None or np.dtype(kind).itemsize * 8 != dtype.bits:
        raise UsageError(f"neither numpy nor ml_dtypes has a dtype for {name}", hint=_BYTES_HINT)
    return np.dtype(kind)


def _known_dtype(name: str) -> DType:
    if name not in BY_NAME:
        raise UsageError(f"the dtype {name!r} is none that this release knows", hint=_BYTES_HINT)
    return BY_NAME[name]


def _require_inside(window: FlatWindow, elements: int) -> None:
    """Raise CorruptObject for what a forged manifest may say (L10)."""
    if min((window.offset, *window.shape, *window.steps)) < 0 or window.end > elements:
        raise CorruptObject(
            f"{window.dtype} {list(window.shape)} reaches out of the {elements:,} elements that are stored",
            hint="Its manifest was damaged or forged. Take the file from another commit.",
        )
