"""The seam of a serializer: a stream of blocks, each some arrays, to the bytes of a payload.

Laws: lossless; deterministic (the same arrays give the same bytes on one machine, whatever ``parallel`` does); a
payload decodes without its spec; and a payload that is cut, altered or hostile raises CorruptObject, in memory bounded
by the bytes that are really there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from git_theta.errors import CorruptObject
from git_theta.registry import Family, make_instance
from git_theta.tensors.arrays import Arrays, Buffer, Parallel


class Payload:
    """A payload being read: ``take`` gives exactly what is asked for, or raises."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.left = size

    def read_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises CorruptObject when the payload ends before them."""
        if size > self.left:
            raise CorruptObject("a stored payload ends too early")
        self.left -= size
        taken = self._file.read(size)
        while len(taken) < size:
            more = self._file.read(size - len(taken))
            if not more:
                raise CorruptObject("a stored object is shorter than its manifest says")
            taken += more
        return taken


class Serializer(ABC):
    """Stateless, and without options in manifests: a payload says itself all that decoding it needs.

    Attributes:
        name: what manifests call it.
        takes_any_arrays: whether a block may be any number of arrays of any length; else it is one, of BLOCK bytes or,
            the last one, fewer, as of the update "dense".
        api: the version of this seam that it is written for. A plug-in says ``api = 1`` itself.
    """

    name: str
    api: int = 1
    takes_any_arrays = True

    @abstractmethod
    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        """The payload, piece by piece."""

    @abstractmethod
    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        """The blocks again. Raises CorruptObject."""


SERIALIZERS = Family("serializers", make_instance(Serializer))
