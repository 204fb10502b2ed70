"""A header of a GGUF file for other tensors or other metadata, as the reference writer lays it out."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Part

from git_theta_gguf.gguf_cursor import LONGEST_HEADER
from git_theta_gguf.gguf_header import MAGIC, GgufTensor, align_up, require_whole_blocks
from git_theta_gguf.gguf_types import TENSOR_TYPES

_MOST_DIMENSIONS = 4
"""``GGML_MAX_DIMS``: what ggml loads."""


def write_header(version: int, values: Sequence[bytes], tensors: Sequence[GgufTensor]) -> bytes:
    """A header without what fills it up to the alignment.

    Args:
        version: of the format.
        values: the metadata, each as it stands in a file, key and type included.
        tensors: what is said of each.
    """
    counts = struct.pack("<IQQ", version, len(tensors), len(values))
    return b"".join([MAGIC, counts, *values, *map(_write_tensor, tensors)])


def place_tensors(parts: Iterable[Part], alignment: int) -> list[GgufTensor]:
    """The parts, one after the other, each at a multiple of the alignment.

    Raises FormatError for what GGUF files cannot hold: other dtypes, views, more than four dimensions.
    """
    placed, at, filled = [], 0, 0
    for part in parts:
        _check_part(part)
        placed.append(GgufTensor(part.name, part.spec, at))
        at = align_up(at + part.spec.nbytes, alignment)
        filled += -part.spec.nbytes % alignment
        if filled > LONGEST_HEADER:
            raise FormatError(f"an alignment of {alignment:,} would fill more than {LONGEST_HEADER:,} bytes with zeros")
    return placed


def _check_part(part: Part) -> None:
    if part.views:
        raise FormatError("GGUF files cannot hold two names for the same bytes", parameter=part.name)
    if part.spec.dtype.name not in TENSOR_TYPES:
        raise FormatError(f"GGUF files cannot hold {part.spec.dtype.name}", parameter=part.name)
    if len(part.spec.shape) > _MOST_DIMENSIONS:
        raise FormatError(f"GGUF files hold at most {_MOST_DIMENSIONS} dimensions", parameter=part.name)
    require_whole_blocks(part.name, part.spec)


def _write_tensor(tensor: GgufTensor) -> bytes:
    name, shape = tensor.name.encode(), tensor.spec.shape
    fields = len(shape), *reversed(shape), TENSOR_TYPES[tensor.spec.dtype.name], tensor.offset
    return struct.pack(f"<Q{len(name)}sI{len(shape)}QIQ", len(name), name, *fields)
