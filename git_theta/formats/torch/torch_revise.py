"""Puts other tensors into a pickled checkpoint: those that changed in their places, new ones after the ones before.

Tensors are written as torch does: ``Tensor._reduce_ex_internal`` in ``torch/_tensor.py`` (2.13) names the functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Part, SpanView
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId
from git_theta.formats.torch.edited_table import ORDERED_DICT, TableSlot
from git_theta.formats.torch.torch_tables import Tables, is_nn_parameter, unwrap_tensor

# The functions that rebuild a plain tensor. More arguments are metadata about values that are no longer there.
_REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_WITH_DTYPE = Global("torch._utils", "_rebuild_tensor_v3")
_MAX_ARGUMENTS = {Global("torch._utils", "_rebuild_tensor"): 4, _REBUILD: 6, _REBUILD_WITH_DTYPE: 7}
# What torch calls the storage of a dtype that has no class of storages.
_UNTYPED_STORAGE = Global("torch.storage", "UntypedStorage")
# torch declares these dtypes and cannot make a storage of them.
_UNWRITABLE_DTYPES = frozenset(f"{sign}{bits}" for sign in "IU" for bits in range(1, 8))
# One object each, as torch has: the pickle then holds them once.
STORAGE_TAG, _CPU = "storage", "cpu"


@dataclass(frozen=True, slots=True)
class NewStorage(PersistentId):
    """A storage whose key is the new archive's already."""


class Window(NamedTuple):
    """A name's tensor in the new archive: ``view`` of ``part``, whose storage is called ``key``."""

    key: str
    part: Part
    view: SpanView


def windows_of(key: str, part: Part) -> list[Window]:
    """A part's names as windows on it; its own comes first unless a view says otherwise."""
    flat = bool(part.views) and part.views[0].name == part.name
    own = () if flat else (SpanView(part.name, part.spec),)
    return [Window(key, part, view) for view in (*own, *part.views)]


class StorageChanges(NamedTuple):
    """What is to change in a checkpoint.

    Attributes:
        fresh: keys of storages of the new archive that are not the template's as they are.
        gone: keys of the template's storages that are not in the new archive.
        moved: names to take out and put in anew, after those before them.
    """

    fresh: AbstractSet[str]
    gone: AbstractSet[str]
    moved: AbstractSet[str]


def revise_tables(tables: Tables, windows: Sequence[Window], changes: StorageChanges) -> None:
    """Make the checkpoint hold the tensors of ``windows``, which are all its names in the order of the new file.

    Raises FormatError where a parameter has no place in the checkpoint, or is no plain tensor there.
    """
    new = {window.view.name: window for window in windows if window.key in changes.fresh}
    tensors = _TensorWriter(tables.slots.values())
    for name, place in tables.slots.items():
        with _locate_errors(name):
            if name in new and name not in changes.moved:
                place.replace_value(tensors.write_tensor(new.pop(name), place.value))
            elif name in new or _storage_key(place) in changes.gone:
                place.remove_pair()
    # Tied names may be anywhere: only a tensor's first name says where it is in the file's order.
    firsts = {window.part.name for window in windows} & tables.slots.keys() - new.keys()
    for name in firsts:
        tables.slots[name].mark_boundary()
    for window in windows:
        name = window.view.name
        with _locate_errors(name):
            if name in new:
                tables.insert_tensor(name, tensors.write_tensor(window))
            elif name in firsts:
                tables.slots[name].move_cursor()
    tables.apply_edits()


class _TensorWriter:
    """Writes tensors as the checkpoint has them: on its device, and one object where it had one."""

    def __init__(self, places: Iterable[TableSlot]) -> None:
        devices = {_device_of(_plain_rebuild(place.value)) for place in places}
        self._device = devices.pop() if len(devices) == 1 else _CPU
        self._written: dict[tuple[int, str, SpanView], tuple[Call, object]] = {}

    def write_tensor(self, window: Window, old: object = None) -> Call:
        """The record of a window's tensor, in place of ``old`` where there was one."""
        same = (id(old), window.key, window.view._replace(name=""))
        if old is None or same not in self._written:
            # The old one is held, or its id could become another's.
            self._written[same] = (self._build_record(window, old), old)
        return self._written[same][0]

    def _build_record(self, window: Window, old: object) -> Call:
        if old is None:
            return self._rebuild_call(window, self._device, (False, Call(ORDERED_DICT, ())))
        plain = _plain_rebuild(old)
        if plain is None:
            raise FormatError("it is more than a plain tensor in the checkpoint, and cannot change")
        wanted, hooks = plain.arguments[4:6] if len(plain.arguments) > 5 else (False, Call(ORDERED_DICT, ()))
        may = window.view.spec.dtype.kind in ("float", "complex")
        record = self._rebuild_call(window, _device_of(plain), (wanted and may, hooks))
        if is_nn_parameter(old):
            return Call(old.function, (record, old.arguments[1] and may, *old.arguments[2:]))
        return record

    def _rebuild_call(self, window: Window, device: str, gradient: tuple[object, ...]) -> Call:
        key, part, (_, spec, stride, offset) = window
        storage_class, elements = _storage_class(part)
        storage = NewStorage((STORAGE_TAG, storage_class, key, device, elements))
        arguments = (
            storage,
            offset,
            spec.shape,
            _contiguous_strides(spec.shape) if stride is None else stride,
            *gradient,
        )
        if storage_class != _UNTYPED_STORAGE:
            return Call(_REBUILD, arguments)
        return Call(_REBUILD_WITH_DTYPE, (*arguments, Global("torch", spec.dtype.torch)))


def _plain_rebuild(value: object) -> Call | None:
    """The call that rebuilds a plain tensor, itself or as an ``nn.Parameter``; None for any other value."""
    call = value.arguments[0] if is_nn_parameter(value) else value
    if not isinstance(call, Call) or not isinstance(call.function, Global) or call.state is not None:
        return None
    return call if len(call.arguments) <= _MAX_ARGUMENTS.get(call.function, 0) else None


def _device_of(call: Call | None) -> str:
    """Where the storage of a plain tensor was: "cpu", "cuda:0"."""
    storage = call.arguments[0] if call else None
    identity = storage.identity if isinstance(storage, PersistentId) else None
    device = identity[3] if isinstance(identity, tuple) and len(identity) > 3 else _CPU
    return device if isinstance(device, str) else _CPU


def _storage_class(part: Part) -> tuple[Global, int]:
    """The storage class that torch writes for a part, and how many of its elements there are."""
    dtypes = {window.view.spec.dtype for window in windows_of("", part)}
    for dtype in dtypes:
        if not dtype.torch or dtype.kind == "quantized" or dtype.name in _UNWRITABLE_DTYPES:
            raise FormatError(f"a new tensor of {dtype.name} cannot be written to a torch checkpoint")
    dtype = part.spec.dtype
    if dtypes != {dtype} or not dtype.storage:
        return _UNTYPED_STORAGE, part.spec.nbytes
    return Global("torch", dtype.storage), part.spec.nbytes * 8 // dtype.bits


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in row-major order, as torch counts them where a dimension is 0."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * max(1, size))
    return tuple(reversed(strides)) if shape else ()


def _storage_key(place: TableSlot) -> str:
    tensor = unwrap_tensor(place.value)
    return tensor.key if tensor else ""


@contextmanager
def _locate_errors(name: str) -> Iterator[None]:
    """Name the parameter in errors."""
    try:
        yield
    except FormatError as error:
        raise error.add_location(parameter=name) from None
