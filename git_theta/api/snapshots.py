"""Tensors as they are at one moment, copied into memory that is used again and again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from git_theta.api.parameter import Parameter
from git_theta.api.saving import read_given_values
from git_theta.tensors.values import MemoryValues

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Snapshot:
    """Room for a copy of a model. Memory that was used once costs a third of what new memory does."""

    def __init__(self) -> None:
        self._rooms: dict[str, NDArray[np.uint8]] = {}

    def copy(self, tensors: Mapping[str, Any]) -> dict[str, MemoryValues]:
        """Copies of these tensors, which last until the next call. Raises UsageError for what is no dense tensor.

        ``tensors``: as ``git_theta.save`` takes them.
        """
        self._rooms = {name: room for name, room in self._rooms.items() if name in tensors}
        return {name: self._copy_tensor(name, value) for name, value in tensors.items()}

    def _copy_tensor(self, name: str, value: object) -> MemoryValues:
        values = read_given_values(name, value)
        if _is_copied(value):
            return values
        import numpy as np

        room = self._rooms.get(name)
        if room is None or room.nbytes != values.size:
            room = self._rooms[name] = np.empty(values.size, np.uint8)
        offset = 0
        for block in values.blocks():
            view = np.frombuffer(block, np.uint8)
            room[offset : offset + view.nbytes] = view
            offset += view.nbytes
        return MemoryValues(values.spec, room.data)


def _is_copied(value: object) -> bool:
    """Whether reading the values has made a copy of them already."""
    if isinstance(value, Parameter):
        return True
    torch = sys.modules.get("torch")
    return bool(torch and isinstance(value, torch.Tensor) and value.device.type != "cpu")
