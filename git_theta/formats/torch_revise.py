"""Puts other tensors into a pickled checkpoint: those that changed in their places, new ones after the ones before.

Tensors are written as torch does: ``Tensor._reduce_ex_internal`` in ``torch/_tensor.py`` (2.13) names the functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Part, View
from git_theta.formats.pickle_reader import Call, Global, Persistent
from git_theta.formats.torch_tables import ORDERED, Place, Tables, is_parameter, tensor_at
from git_theta.tensors.spec import Spec

# The functions that rebuild a plain tensor. More arguments are metadata about values that are no longer there.
_REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_WITH_DTYPE = Global("torch._utils", "_rebuild_tensor_v3")
_ARGUMENTS = {Global("torch._utils", "_rebuild_tensor"): 4, _REBUILD: 6, _REBUILD_WITH_DTYPE: 7}
# torch declares these dtypes and cannot make a storage of them.
_UNWRITABLE = frozenset(f"{sign}{bits}" for sign in "IU" for bits in range(1, 8))
# One object each, as torch has: the pickle then holds them once.
STORAGE, _CPU = "storage", "cpu"


@dataclass(frozen=True, slots=True)
class NewStorage(Persistent):
    """A storage whose key is the new archive's already."""


class Window(NamedTuple):
    """A name's tensor in the new archive: ``view`` of ``part``, whose storage is called ``key``."""

    key: str
    part: Part
    view: View


def windows_of(key: str, part: Part) -> list[Window]:
    """A part's names as windows on it; its own comes first unless a view says otherwise."""
    flat = bool(part.views) and part.views[0].name == part.name
    own = () if flat else (View(part.name, part.spec),)
    return [Window(key, part, view) for view in (*own, *part.views)]


class Changes(NamedTuple):
    """What is to change in a checkpoint.

    Attributes:
        fresh: keys of storages of the new archive that are not the template's as they are.
        gone: keys of the template's storages that are not in the new archive.
        moved: names to take out and put in anew, after those before them.
    """

    fresh: AbstractSet[str]
    gone: AbstractSet[str]
    moved: AbstractSet[str]


def revise(tables: Tables, windows: Sequence[Window], changes: Changes) -> None:
    """Make the checkpoint hold the tensors of ``windows``, which are all its names in the order of the new file.

    Raises FormatError where a parameter has no place in the checkpoint, or is no plain tensor there.
    """
    new = {window.view.name: window for window in windows if window.key in changes.fresh}
    tensors = _Tensors(tables.places.values())
    for name, place in tables.places.items():
        with _named(name):
            if name in new and name not in changes.moved:
                place.put(tensors.written(new.pop(name), place.value))
            elif name in new or _key(place) in changes.gone:
                place.take()
    for window in windows:
        name = window.view.name
        with _named(name):
            if name in new:
                tables.add(name, tensors.written(window))
            elif name == window.part.name and name in tables.places:
                tables.places[name].point()
    tables.commit()


class _Tensors:
    """Writes tensors as the checkpoint has them: on its device, and one object where it had one."""

    def __init__(self, places: Iterable[Place]) -> None:
        devices = {_device(_inner(place.value)) for place in places}
        self._device = devices.pop() if len(devices) == 1 else _CPU
        self._written: dict[tuple[int, str, View], tuple[object, object]] = {}

    def written(self, window: Window, old: object = None) -> object:
        """The record of a window's tensor, in place of ``old`` where there was one."""
        same = (id(old), window.key, window.view._replace(name=""))
        if old is None or same not in self._written:
            # The old one is held, or its id could become another's.
            self._written[same] = (self._record(window, old), old)
        return self._written[same][0]

    def _record(self, window: Window, old: object) -> Call:
        plain = _inner(old)
        if old is not None and (not isinstance(plain, Call) or len(plain.arguments) > _arguments(plain)):
            raise FormatError(
                "the parameter is no plain tensor in the checkpoint, so it cannot change its shape or dtype"
            )
        record = self._plain(window, plain if isinstance(plain, Call) else None)
        if is_parameter(old):
            return Call(old.function, (record, old.arguments[1] and _differentiable(window), *old.arguments[2:]))
        return record

    def _plain(self, window: Window, old: Call | None) -> Call:
        view = window.view
        kind, elements = _storage_class(window.part)
        device = _device(old) if old else self._device
        storage = NewStorage((STORAGE, kind, window.key, device, elements))
        wants, hooks = old.arguments[4:6] if old and len(old.arguments) > 5 else (False, Call(ORDERED, ()))
        stride = contiguous(view.spec.shape) if view.stride is None else view.stride
        place = (storage, view.offset, view.spec.shape, stride, wants and _differentiable(window), hooks)
        if kind != _UNTYPED:
            return Call(_REBUILD, place)
        return Call(_REBUILD_WITH_DTYPE, (*place, Global("torch", view.spec.dtype.torch)))


def _storage_class(part: Part) -> tuple[Global, int]:
    """The storage class that torch writes for a part, and how many of its elements there are."""
    for dtype in {window.view.spec.dtype for window in windows_of("", part)}:
        if not dtype.torch or dtype.kind == "quantized" or dtype.name in _UNWRITABLE:
            raise FormatError(f"new tensors of {dtype.name} cannot be written to a torch checkpoint")
        if dtype != part.spec.dtype or not dtype.storage:
            return _UNTYPED, part.spec.nbytes
    return Global("torch", part.spec.dtype.storage), part.spec.nbytes // part.spec.dtype.width
