"""Values as bytes and back, between two processes of one release: plain data, which names no code but tasks of ours.

A pickle would do, and may have anything called that can be imported. Here msgpack has numbers, text, bytes, lists and
mappings; tuples, arrays, and functions with their arguments are spelled out; and values of our own classes are the name
of the class and what it holds. What else there is cannot travel.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import Any

from git_theta.errors import ThetaError
from git_theta.repository.clustering.travellers import is_class, load_travellers, name_travellers
from git_theta.tensors.array_library import ArrayLibrary
from git_theta.tensors.numpy_library import NUMPY

_TUPLE, _VALUE, _FUNCTION, _PARTIAL, _ARRAY, _COLUMN, _RESIDENT, _LIBRARY, _INTEGER = range(9)


class CannotTravelError(Exception):
    """A value that has no bytes here: it stays where it is."""


class TravelCodec:
    """Encodes and decodes.

    Args:
        residents: by name, what does not travel, since each end has its own: the store, the progress.
    """

    def __init__(self, residents: Mapping[str, object]) -> None:
        self._residents = residents

    def encode(self, value: object) -> bytes:
        """The bytes. Raises CannotTravelError."""
        import msgpack

        try:
            packed: bytes = msgpack.packb(value, default=self._pack, strict_types=True)
        except (TypeError, ValueError, OverflowError) as error:
            raise CannotTravelError(str(error)) from None
        return packed

    def decode(self, data: bytes) -> Any:
        """The value. Raises KeyError for a name that is none of ours."""
        import msgpack

        return msgpack.unpackb(data, ext_hook=self._unpack, strict_map_key=False)

    def _pack(self, value: object) -> Any:
        import msgpack

        if plain := _as_plain(value):
            return plain[0]
        for name, resident in self._residents.items():
            if value is resident:
                return msgpack.ExtType(_RESIDENT, self.encode(name))
        code, content = _take_apart(value)
        return msgpack.ExtType(code, self.encode(content))

    def _unpack(self, code: int, data: bytes) -> Any:
        content = self.decode(data)
        return self._residents[content] if code == _RESIDENT else _put_together(code, content)


def _as_plain(value: object) -> list[Any]:
    """What is read as easily as something that msgpack has: a number of numpy, a mapping; nothing for all else."""
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, numpy.generic):
        return [value.item()]
    return [dict(value)] if isinstance(value, Mapping) else []


def _take_apart(value: Any) -> tuple[int, Any]:
    """The kind of a value, and its contents."""
    numpy = sys.modules.get("numpy")
    if type(value) is tuple:
        return _TUPLE, list(value)
    if type(value) in name_travellers():
        return _VALUE, [name_travellers()[type(value)], _read_state(value)]
    if isinstance(value, partial):
        return _PARTIAL, [value.func, list(value.args), value.keywords]
    if numpy and isinstance(value, numpy.ndarray):
        return _ARRAY, [value.dtype.str, list(value.shape), value.tobytes()]
    if isinstance(value, array):
        return _COLUMN, [value.typecode, value.tobytes()]
    if isinstance(value, int):  # one that msgpack has no room for
        return _INTEGER, f"{value:x}"
    if isinstance(value, ArrayLibrary):
        return _LIBRARY, [value.name, value.device]
    if callable(value) and value in name_travellers():
        return _FUNCTION, name_travellers()[value]
    raise CannotTravelError(f"{type(value).__module__}.{type(value).__qualname__}")


def _put_together(code: int, content: Any) -> Any:
    """The value of that kind and these contents."""
    if code == _TUPLE:
        return tuple(content)
    if code == _VALUE:
        return _write_state(load_travellers()[content[0]], content[1])
    if code == _FUNCTION:
        return load_travellers()[content]
    if code == _PARTIAL:
        return partial(content[0], *content[1], **content[2])
    if code == _COLUMN:
        return array(content[0], content[1])
    if code == _LIBRARY:
        return _find_library(*content)
    if code == _INTEGER:
        return int(content, 16)
    return _read_array(*content)


def _read_state(value: Any) -> Any:
    """What a value of one of our classes holds."""
    if isinstance(value, ThetaError):
        return [value.message, value.hint, value.path, value.parameter]
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else vars(value)


def _write_state(kind: Any, state: Any) -> Any:
    """A value of one of our classes that holds this."""
    if not is_class(kind):
        raise KeyError(f"no class: {kind}")
    if issubclass(kind, ThetaError):
        message, hint, path, parameter = state
        return kind(message, hint=hint, path=path, parameter=parameter)
    if issubclass(kind, Enum):
        return kind(state)
    if issubclass(kind, tuple):
        return kind(*state)
    made = object.__new__(kind)
    vars(made).update(state)
    return made


def _read_array(dtype: str, shape: list[int], data: bytes) -> Any:
    import numpy as np

    return np.frombuffer(data, dtype).reshape(shape).copy()  # who asked may write to it


def _find_library(name: str, device: str) -> ArrayLibrary:
    from git_theta.tensors.torch_library import TorchLibrary

    return NUMPY if name == NUMPY.name else TorchLibrary(device)
