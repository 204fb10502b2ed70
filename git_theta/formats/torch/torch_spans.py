"""Tensors and where their bytes are, as spans: one for each storage, whose names may be windows on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from git_theta.formats.base import Span, SpanView
from git_theta.formats.pickle.pickle_arrays import PickledArray
from git_theta.formats.torch.torch_tensors import PickledTensor
from git_theta.tensors.spec import Spec

TensorT = TypeVar("TensorT")
_Named = list[tuple[str, TensorT]]


def sort_tensors(
    named: Iterable[tuple[str, PickledTensor | PickledArray]],
) -> tuple[dict[str, _Named[PickledTensor]], dict[int, _Named[PickledArray]]]:
    """Tensors by the keys of their storages, arrays by where their bytes are in the file."""
    storages: dict[str, _Named[PickledTensor]] = {}
    arrays: dict[int, _Named[PickledArray]] = {}
    for name, one in named:
        if isinstance(one, PickledArray):
            arrays.setdefault(one.place.offset, []).append((name, one))
        else:
            storages.setdefault(one.key, []).append((name, one))
    return storages, arrays


def span_of_storage(offset: int, size: int, tensors: _Named[PickledTensor]) -> Iterator[Span]:
    """The span of a storage of ``size`` bytes at ``offset``; none where its tensors say that it has another size."""
    if all(tensor.storage_size == size and tensor.extent_bits <= size * 8 for _, tensor in tensors):
        span = _whole_span(offset, size, tensors) or _flat_span(offset, size, tensors)
        if span:
            yield span


def _whole_span(offset: int, size: int, tensors: _Named[PickledTensor]) -> Span | None:
    """The storage as the first tensor that is all of it; the others are its views."""
    for index, (name, tensor) in enumerate(tensors):
        if tensor.is_contiguous and tensor.spec.nbytes == size:
            views = tuple(_view_of(*other) for other in tensors[:index] + tensors[index + 1 :])
            return Span(name, tensor.spec, offset, size, views)
    return None


def _flat_span(offset: int, size: int, tensors: _Named[PickledTensor]) -> Span | None:
    """The storage as a flat run of elements that all its tensors are windows on; None where bytes are left over."""
    name, tensor = tensors[0]
    flat = Spec(tensor.spec.dtype, (size * 8 // tensor.spec.dtype.bits,))
    if flat.nbytes != size:
        return None
    return Span(name, flat, offset, size, tuple(_view_of(*window) for window in tensors))


def _view_of(name: str, tensor: PickledTensor) -> SpanView:
    view = SpanView(name, tensor.spec, None if tensor.is_contiguous else tensor.stride, tensor.offset)
    return view if tensor.spec.elements else view._replace(offset=0)
