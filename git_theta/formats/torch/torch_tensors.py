"""The tensors that a torch pickle rebuilds: their names, specs, strides and storages.

torch pickles a tensor as a call of one of the ``_rebuild_*`` functions with a storage, which is a persistent id that
names a member of the archive, and a window on it. Source: ``torch/_utils.py``, ``torch/_tensor.py`` and
``torch/serialization.py`` (2.13); for TorchScript, ``torch/csrc/jit/serialization/pickler.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass

from git_theta.formats.layout import require_shape
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId
from git_theta.tensors.dtypes import BY_STORAGE, BY_TORCH, DType
from git_theta.tensors.spec import Spec

# These take (storage, storage_offset, size, stride, ...); v3, for dtypes without a storage class, has a dtype at 6.
REBUILD_FUNCTIONS = frozenset(
    f"torch._utils.{name}"
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
)
_DTYPE_ARGUMENT = 6
# torch counts these tensors' shapes in values and their storages in bytes of several: the bytes are the tensor here.
_PACKED_DTYPES = frozenset(("QUINT4X2", "QUINT2X4"))


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A window on a storage.

    Attributes:
        key: the storage's name in the archive.
        storage_size: the bytes that the pickle says the storage has.
        spec: the window's dtype and shape.
        stride: elements to step per dimension.
        offset: first element, counted from the start of the storage.
    """

    key: str
    storage_size: int
    spec: Spec
    stride: tuple[int, ...]
    offset: int

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after the other in row-major order, as torch's ``is_contiguous`` says."""
        expected = 1
        for size, stride in zip(reversed(self.spec.shape), reversed(self.stride), strict=True):
            if size != 1 and stride != expected:
                return self.spec.elements == 0
            expected *= size
        return True

    @property
    def extent_bits(self) -> int:
        """Bits from the start of the storage to the end of the window's last element."""
        if self.spec.elements == 0:
            return 0
        last = sum((size - 1) * stride for size, stride in zip(self.spec.shape, self.stride, strict=True))
        return (self.offset + last + 1) * self.spec.dtype.bits


@dataclass(frozen=True, slots=True)
class _TorchStorage:
    key: str
    dtype: DType
    elements: int


def tensor_of(value: object) -> PickledTensor | None:
    """The tensor that ``value`` rebuilds, or None. A storage that was saved by itself is a flat tensor.

    Raises FormatError where a tensor's shape or strides are no lists of sizes.
    """
    if isinstance(value, PersistentId):
        storage = _storage_of(value)
        return _flat_tensor(storage) if storage else None
    if (
        not isinstance(value, Call)
        or not isinstance(value.function, Global)
        or value.function.path not in REBUILD_FUNCTIONS
    ):
        return None
    if len(value.arguments) < 4:
        return None
    storage, offset = _storage_of(value.arguments[0]), value.arguments[1]
    dtype = _dtype_of(value, storage)
    if storage is None or dtype is None or type(offset) is not int or offset < 0:
        return None
    if dtype.name in _PACKED_DTYPES:
        return _flat_tensor(storage)
    shape, stride = _parse_torch_size(value.arguments[2]), _parse_torch_size(value.arguments[3])
    if len(shape) != len(stride):
        return None
    return PickledTensor(storage.key, _storage_bytes(storage), Spec(dtype, shape), stride, offset)


def _storage_of(value: object) -> _TorchStorage | None:
    """The storage that a persistent id ``("storage", class, key, device, elements)`` names."""
    identity = value.identity if isinstance(value, PersistentId) else None
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        return None
    _, kind, key, _, elements, *rest = identity
    # Before torch 0.4 a storage could be a window on another one: its tensors' offsets are not those of the bytes.
    if rest and rest[0] is not None:
        return None
    if not isinstance(kind, Global) or not isinstance(key, str) or type(elements) is not int or elements < 0:
        return None
    # An untyped storage counts bytes.
    dtype = BY_TORCH["uint8"] if kind.name == "UntypedStorage" else BY_STORAGE.get(kind.name)
    return _TorchStorage(key, dtype, elements) if dtype else None


def _dtype_of(call: Call, storage: _TorchStorage | None) -> DType | None:
    if not isinstance(call.function, Global) or call.function.name != "_rebuild_tensor_v3":
        return storage.dtype if storage else None
    named = call.arguments[_DTYPE_ARGUMENT] if len(call.arguments) > _DTYPE_ARGUMENT else None
    return BY_TORCH.get(named.name) if isinstance(named, Global) else None


def _flat_tensor(storage: _TorchStorage) -> PickledTensor:
    return PickledTensor(
        storage.key, _storage_bytes(storage), Spec(storage.dtype, require_shape([storage.elements])), (1,), 0
    )


def _storage_bytes(storage: _TorchStorage) -> int:
    return storage.elements * storage.dtype.bits // 8


def _parse_torch_size(value: object) -> tuple[int, ...]:
    """A size: a plain tuple, or one wrapped in ``torch.Size``."""
    if isinstance(value, Call) and len(value.arguments) == 1:
        value = value.arguments[0]
    return require_shape(value)
