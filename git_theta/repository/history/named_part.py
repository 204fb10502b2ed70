"""A name of a checkpoint, and the bytes that it stands for: wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from git_theta.tensors.arrays import Buffer, Parallel


class PartValues(Protocol):
    """The bytes of a part: a tensor's, or a storage's that several names are windows on."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def oid(self) -> str:
        """SHA-256 of the bytes, in hex."""
        ...

    def objects(self) -> Mapping[str, int]:
        """Id to size of what has to be in the store to read it."""
        ...

    def pieces(self, parallel: Parallel) -> Iterator[Buffer]:
        """The bytes. What is wrong with them is raised, at the latest after the last piece."""
        ...


class NamedPart(NamedTuple):
    """A name of a checkpoint, and the values that it stands for.

    Attributes:
        name: the parameter's; a tied one has several.
        dtype, shape: as this name has them.
        stride, offset: elements to step per dimension, and the first element, where the name is a window on the part;
            None and 0 where it is all of it.
        part: the bytes.
        path: of its file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None
    offset: int
    part: PartValues
    path: str
