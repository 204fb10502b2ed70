"""One part hashed and, if it is new, encoded and put."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ChangedFile
from git_theta.manifest.model import Coding, Place, Storage
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.passing_values import PassingValues
from git_theta.operations.context import Context
from git_theta.store.series import put_series
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.tensors.dtypes import DType
from git_theta.tensors.values import MemoryValues, Values

FindStorage = Callable[[str], Storage | None]
"""The storage of a part that is stored already, by its oid."""


class EncodedPart(NamedTuple):
    """A hashed part: with its storage, or with a small payload and how it becomes values again.

    ``is_new``: its storage has only now come to be.
    """

    oid: str
    size: int
    storage: Storage | None
    coding: Coding | None = None
    payload: bytes = b""
    is_new: bool = False


class PartEncoder:
    """Hashes parts; encodes and puts those that ``known`` does not find. Thread-safe.

    What is encoded is hashed in the same reading, or held in memory: a file that changes meanwhile can give a part that
    it never had as a whole, but none that does not come back as its hash says.
    """

    def __init__(self, context: Context, known: FindStorage) -> None:
        self._context = context
        self._known = known

    def encode_whole(self, values: Values) -> EncodedPart:
        """A part that is small enough to be held: hashed, then encoded if it is new. Waits for nobody."""
        data = b"".join(values.blocks())
        oid = hashlib.sha256(data).hexdigest()
        self._context.progress(len(data))
        if storage := self._known(oid):
            return EncodedPart(oid, len(data), storage)
        return self._put_values(MemoryValues(values.spec, data), map)._replace(oid=oid, size=len(data))

    def encode_streamed(self, values: Values, parallel: Parallel) -> EncodedPart:
        """A part that is probably new: hashed while it is encoded."""
        hashed = _HashedValues(values, self._context.progress)
        part = self._put_values(hashed, parallel)
        return self._prefer_known(part._replace(oid=hashed.oid, size=values.size))

    def encode_computed(self, blocks: Iterable[Buffer], width: int) -> EncodedPart:
        """A part that is computed, block by block, once. Waits for nobody."""
        digest, size = hashlib.sha256(), 0

        def hash_blocks() -> Iterator[Buffer]:
            nonlocal size
            for block in blocks:
                digest.update(block)
                size += len(block)
                self._context.progress(len(block))
                yield block

        dtype = DType(f"U{8 * width}", 8 * width, "uint")  # all that dense storage asks of one
        part = self._put_values(PassingValues(dtype, hash_blocks()), map, once=True)
        return self._prefer_known(part._replace(oid=digest.hexdigest(), size=size))

    def encode_if_new(self, values: Values, parallel: Parallel) -> EncodedPart:
        """A part that is probably known: hashed alone; read again and encoded only when it is new after all.

        Raises ChangedFile when the second reading gives other bytes.
        """
        digest = hashlib.sha256()
        for block in values.blocks():
            digest.update(block)
        if storage := self._known(digest.hexdigest()):
            self._context.progress(values.size)
            return EncodedPart(digest.hexdigest(), values.size, storage)
        part = self.encode_streamed(values, parallel)
        if part.oid != digest.hexdigest():
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        return part

    def _prefer_known(self, part: EncodedPart) -> EncodedPart:
        """What is known keeps its storage, even if we hear of it only now (L2)."""
        storage = self._known(part.oid)
        return EncodedPart(part.oid, part.size, storage) if storage else part

    def _put_values(self, values: Values, parallel: Parallel, *, once: bool = False) -> EncodedPart:
        """Put a large payload; hand back a small one, for a bundle.

        ``once``: the values can be read once alone, which no update but dense is content with.
        """
        preferences = self._context.preferences()
        if once:
            preferences = preferences._replace(updates=("dense",))
        encoding = parameters.encode_values(values, parallel, preferences)
        held: list[Buffer] = []
        size = 0
        for piece in encoding.payload:
            held.append(piece)
            size += len(piece)
            if size >= SMALL_PAYLOAD:
                place = Place.of_objects(put_series(self._context.store, chain(held, encoding.payload)))
                return EncodedPart("", 0, Storage(encoding.coding, place), is_new=True)
        return EncodedPart("", 0, None, encoding.coding, b"".join(held))


class _HashedValues:
    """Values that are hashed while they are read.

    Attributes:
        oid: of what the last whole reading gave: the one that encodes. Those before it looked at single blocks.
    """

    def __init__(self, values: Values, progress: Callable[[int], None]) -> None:
        self.spec = values.spec
        self.size = values.size
        self.oid = ""
        self._values = values
        self._progress = progress

    def blocks(self, first: int = 0) -> Iterator[Buffer]:
        """As ``Values`` says."""
        return self._values.blocks(first) if first else self._hash_blocks()

    def _hash_blocks(self) -> Iterator[Buffer]:
        digest = hashlib.sha256()
        for block in self._values.blocks():
            digest.update(block)
            self._progress(len(block))
            yield block
        self.oid = digest.hexdigest()
