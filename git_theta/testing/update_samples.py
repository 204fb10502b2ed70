"""Tensors that an update is tried on: every dtype, long ones; and arrays that are no block."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.tensors.arrays import BLOCK, Array, Arrays
from git_theta.tensors.dtypes import DType
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, sample_blocks

LONG = 48
"""Blocks of a tensor that is too long to be held."""
_SHAPES = ((), (3,), (0, 3), (3, 256), (2, 2, 256))
"""Of no, one and several dimensions: rows of 256 are whole blocks of every dtype that has some."""


def sample_tensors(dtype: DType) -> Iterator[MemoryValues]:
    """Tensors of a dtype, of every number of dimensions and with bits that arithmetic would lose."""
    for shape in _SHAPES:
        spec = Spec(dtype, shape)
        yield from (MemoryValues(spec, data) for data in sample_blocks(spec.nbytes, dtype.width))


def alter_tensor(values: MemoryValues) -> MemoryValues:
    """A tensor of the same spec, of which a few bytes differ."""
    data = b"".join(values.blocks())
    changes = bytes(byte if at % 7 == 0 else 0 for at, byte in enumerate(noise_bytes(len(data), 3)))
    return MemoryValues(values.spec, bytes(one ^ other for one, other in zip(data, changes, strict=True)))


class LongValues:
    """Values that are made as they are read."""

    def __init__(self, spec: Spec, seed: int) -> None:
        self.spec = spec
        self.size = LONG * BLOCK
        self._seed = seed

    def blocks(self, first: int = 0) -> Iterator[bytes]:
        return (noise_bytes(BLOCK, self._seed + at) for at in range(first, LONG))


def odd_arrays(honest: Arrays) -> list[Arrays]:
    """Arrays that may be no block's: fewer, more, shorter and others than honest ones."""
    return [
        honest[:-1],
        (*honest, *honest),
        (*honest, Array(1, b"")),
        tuple(Array(array.width, array.data[:-1]) for array in honest),
        tuple(Array(array.width, b"") for array in honest),
        tuple(Array(1, noise_bytes(len(array.data), 7)) for array in honest),
        tuple(Array(8, b"\xff" * len(array.data)) for array in honest),
    ]


def copy_lists(lists: list[Arrays]) -> list[list[tuple[int, bytes]]]:
    """Lists of arrays as what can be compared, whatever buffers they are."""
    return [[(array.width, bytes(array.data)) for array in arrays] for arrays in lists]
