"""Real torch files for tests, and what torch itself says is in them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch

from git_theta.formats.base import Span, SpanView
from git_theta.formats.torch.torch_format import TorchZipFormat
from tests.formats.sources import BytesSource, names_of

READER = TorchZipFormat()


def saved(value: object, **options: object) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def spans_of(data: bytes) -> list[Span]:
    return READER.spans(BytesSource(data))


def filled(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """A tensor of any dtype whose bytes count up."""
    tensor = torch.empty(shape, dtype=dtype)
    raw = storage_tensor(tensor)
    raw.copy_((torch.arange(raw.numel()) % (2 if dtype == torch.bool else 251)).to(torch.uint8))
    return tensor


def storage_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor's storage, as a tensor on the same memory."""
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())


def storage_bytes(tensor: torch.Tensor) -> bytes:
    return storage_tensor(tensor).numpy().tobytes()


def windows(spans: list[Span]) -> dict[str, tuple[Span, SpanView]]:
    """Every name with its span and its window: all of the span for its own name, unless its first view says else."""
    found = {}
    for span in spans:
        found[span.name] = (span, SpanView(span.name, span.spec))
        found.update({view.name: (span, view) for view in span.views})
    return found


def assert_faithful(data: bytes, tensors: Mapping[str, torch.Tensor]) -> list[Span]:
    """The spans of ``data`` are exactly ``tensors``: names, dtypes, shapes, strides, offsets, bytes, ties."""
    spans = spans_of(data)
    assert sorted(names_of(spans)) == sorted(tensors)
    for name, (span, view) in windows(spans).items():
        tensor = tensors[name]
        assert view.spec.dtype.torch == str(tensor.dtype).removeprefix("torch.")
        assert view.spec.shape == tuple(tensor.shape)
        assert data[span.offset : span.offset + span.size] == storage_bytes(tensor)
        if tensor.numel():
            assert view.offset == tensor.storage_offset()
            assert view.stride == (None if tensor.is_contiguous() else tensor.stride())
    assert len(spans) == len({tensor.untyped_storage()._cdata for tensor in tensors.values()})
    return spans


def flattened(value: object, path: str = "") -> dict[str, torch.Tensor]:
    """The tensors in nested dicts, lists and tuples by dotted name."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    items: list[tuple[object, object]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    found: dict[str, torch.Tensor] = {}
    for key, item in items:
        found.update(flattened(item, f"{path}.{key}" if path else str(key)))
    return found


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
