"""One parameter of a checkpoint: what it is, at once; its values, when somebody asks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.api.arrays_of_bytes import FlatWindow, array_of, tensor_of
from git_theta.api.extras import load_extra
from git_theta.errors import ThetaError
from git_theta.operations.workers import WHOLE_LIMIT, Workers
from git_theta.repository.history.named_part import NamedPart
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.tensors.dtypes import BY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torch import device as TorchDevice  # noqa: N812 (a method is called torch)

_DLPACK_CPU = 1, 0
_MOST_AHEAD = 1 << 30
"""Bytes of memory that are asked for at once, on a manifest's word for how many there will be (L10)."""


class Parameter:
    """A named tensor of one version of a checkpoint. Nothing of it is read before a method asks for its values.

    Whatever a method returns has been read to its last byte and hashed before it is returned: a tensor that is not what
    was committed raises ``CorruptObject``, and no part of it gets out. (Of a file that Git-Theta has not stored nobody
    knows a hash: that one is as it stands, and ``ChangedFile`` says when it was written to meanwhile.)

    Attributes:
        name: as the checkpoint spells it.
        dtype: as safetensors spells it: ``"F32"``, ``"BF16"``, ``"F8_E4M3"``.
        shape: a tuple of ints, () for 0-d.

    Example:
        >>> p = git_theta.open("model.safetensors", rev="v1.0")["encoder.0.weight"]
        >>> p.dtype, p.shape, p.nbytes
        ('F32', (384, 384), 589824)
        >>> p[:2].shape
        (2, 384)
    """

    def __init__(self, found: NamedPart, bring_objects: Callable[[Mapping[str, int]], int]) -> None:
        self.name = found.name
        self.dtype = found.dtype
        self.shape = found.shape
        self._found = found
        self._bring_objects = bring_objects

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements, as numpy counts them."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values, packed."""
        known = BY_NAME.get(self.dtype)
        return known.count_bytes(self.size) if known else self._found.part.size

    @property
    def oid(self) -> str:
        """SHA-256, 64 hex digits, of the bytes that are stored: equal for equal tensors, whatever they are called.

        Of a name that is a window on a storage that others share, that of the storage. Of a file that Git-Theta has not
        stored it is computed here, which reads the tensor.
        """
        return self._found.part.oid

    @property
    def path(self) -> str:
        """The file that it is in, from the top of the repository."""
        return self._found.path

    def numpy(self) -> NDArray[Any]:
        """The values as an array: of this shape, row-major, writable, and nobody else's.

        Its dtype is numpy's own where numpy has it. bf16, fp8 and their like are those of the package ``ml_dtypes``
        (``pip install 'git-theta[notebook]'``), with the same bits; ``.astype("float32")`` makes plain numbers of them.

        Raises:
            MissingObject: an object is neither here nor on a remote.
            CorruptObject: what is stored is not what was committed.
            UsageError: no array has this dtype (packed, quantised); ``tobytes()`` gives what is stored.
        """
        return array_of(self._read(), self.window)

    def torch(self, device: TorchDevice | str = "cpu") -> Tensor:
        """The values as a tensor of torch: of this shape and dtype, contiguous, without gradients.

        Args:
            device: as torch spells it.

        Raises:
            MissingObject, CorruptObject: as ``numpy``.
            UsageError: no plain tensor has this dtype (packed, quantised), or there is no such device.
            ThetaError: this torch has no such dtype.
        """
        load_extra("torch", "torch")
        return tensor_of(self._read(), self.window, device)

    def tobytes(self) -> bytes:
        """The bytes as they are stored, packed and little-endian: of a window, those of all of its storage.

        Raises MissingObject, CorruptObject.
        """
        return bytes(self._read())

    def fetch(self) -> int:
        """Have its objects here; returns how many were fetched. Raises MissingObject."""
        try:
            return self._bring_objects(self.needed_objects)
        except ThetaError as error:
            raise error.add_location(path=self.path, parameter=self.name) from error.__cause__

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """A part of the values, as numpy indexes them: ``p[10:20]``, ``p[3]``, ``p[..., 0]``.

        Where the key begins with an index or a slice of the first dimension, no more than those rows are held in
        memory. The whole tensor is read and hashed all the same: its id is that of all its bytes, and no row is
        returned before the last block is known to be what was committed.

        Raises IndexError as numpy, and what ``numpy()`` raises.
        """
        first, *rest = key if isinstance(key, tuple) and key else (key,)
        rows = self._choose_rows(first)
        if rows is None:
            return self.numpy()[key]  # type: ignore[no-any-return]
        row = self.nbytes // max(1, self.shape[0])
        data = self._read(rows.first * row, rows.stop * row)
        shape = (rows.stop - rows.first, *self.shape[1:])
        return array_of(data, FlatWindow(self.dtype, shape))[(rows.within, *rest)]

    def __len__(self) -> int:
        """The first dimension. Raises TypeError for what is 0-d, as numpy."""
        if not self.shape:
            raise TypeError("len() of a 0-d parameter")
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The rows, of one reading: asked for one by one, each would take reading and hashing all of the tensor."""
        return iter(self.numpy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """What ``numpy.asarray`` takes. Raises ValueError where no copy may be made: reading makes one."""
        if copy is False:
            raise ValueError("a parameter is read into an array of its own, which is a copy")
        found = self.numpy()
        return found if dtype is None else found.astype(dtype)

    def __dlpack__(self, **options: Any) -> Any:
        """What ``torch.as_tensor`` and ``from_dlpack`` of other libraries take (array API standard): one reading.

        bf16 and fp8 are handed on where torch is loaded: numpy cannot. Raises what ``numpy()`` raises.
        """
        found = self.torch() if "torch" in sys.modules else self.numpy()
        return found.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """A CPU, in the words of DLPack."""
        return _DLPACK_CPU

    def __repr__(self) -> str:
        return f"<Parameter {self.name!r} {self.dtype} {list(self.shape)}>"

    def read_with(self, parallel: Parallel) -> bytearray:
        """The bytes of its storage, verified, on the threads of a caller that reads many. Nothing is fetched."""
        return _collect(self._pieces(parallel), 0, self.part_size)

    @property
    def part_size(self) -> int:
        """Bytes of its storage: what reading it takes."""
        return self._found.part.size

    @property
    def part_key(self) -> int:
        """The same for names that are read from the same storage."""
        return id(self._found.part)

    @property
    def needed_objects(self) -> Mapping[str, int]:
        """Id to size of the objects that reading it takes."""
        return self._found.part.objects()

    @property
    def window(self) -> FlatWindow:
        """What of its storage it is."""
        return FlatWindow(self.dtype, self.shape, self._found.stride, self._found.offset)

    def _read(self, first: int = 0, stop: int | None = None) -> bytearray:
        """The bytes from ``first`` to before ``stop``, once all are verified."""
        self.fetch()
        stop = self.part_size if stop is None else stop
        if self.part_size <= WHOLE_LIMIT:
            return _collect(self._pieces(map), first, stop)
        workers = Workers()
        try:
            return _collect(self._pieces(workers.map), first, stop)
        finally:
            workers.close()

    def _pieces(self, parallel: Parallel) -> Iterator[Buffer]:
        try:
            yield from self._found.part.pieces(parallel)
        except ThetaError as error:
            raise error.add_location(path=self.path, parameter=self.name) from error.__cause__

    def _choose_rows(self, key: Any) -> _Rows | None:
        """The rows that an index or a slice of the first dimension takes; None where all have to be had."""
        known = BY_NAME.get(self.dtype)
        whole = FlatWindow(self.dtype, self.shape)
        if not self.shape or not known or known.bits < 8 or known.block > 1 or self.window != whole:
            return None
        length = self.shape[0]
        if isinstance(key, slice):
            wanted = range(*key.indices(length))
            if not wanted:
                return _Rows(0, 0, slice(0, 0))
            first, last = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1])
            stop = wanted[-1] - first + (1 if wanted.step > 0 else -1)
            return _Rows(first, last + 1, slice(wanted[0] - first, stop if stop >= 0 else None, wanted.step))
        if isinstance(key, bool) or getattr(key, "shape", None) or not hasattr(key, "__index__"):
            return None
        at = index(key)
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of bounds for a first dimension of {length}")
        return _Rows(at % length, at % length + 1, 0)


class _Rows(NamedTuple):
    """Rows from ``first`` to before ``stop``, and what the key says within those."""

    first: int
    stop: int
    within: int | slice


def _collect(pieces: Iterator[Buffer], first: int, stop: int) -> bytearray:
    """What stands from ``first`` to before ``stop``; all pieces are taken."""
    data, filled, at = bytearray(min(stop - first, _MOST_AHEAD)), 0, 0
    for piece in pieces:
        part = memoryview(piece)[max(0, first - at) : max(0, stop - at)]
        data[filled : filled + len(part)] = part
        filled, at = filled + len(part), at + len(piece)
    del data[filled:]
    return data
