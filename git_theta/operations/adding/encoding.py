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
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer, Parallel
from git_theta.tensors.digest import Digest
from git_theta.tensors.values import MemoryValues, Values

FindStorage = Callable[[str], Storage | None]
"""The storage of a part that is stored already, by its oid."""


class EncodedPart(NamedTuple):
    """A hashed part: with its storage, or with a small payload and the serializer that wrote it.

    ``is_new``: its storage has only now come to be.
    """

    oid: str
    size: int
    storage: Storage | None
    serializer: str = ""
    payload: bytes = b""
    is_new: bool = False


class PartEncoder:
    """Hashes parts; encodes and puts those that ``known`` does not find. Thread-safe.

    What is encoded is hashed in the same reading, or held in memory: a file that changes meanwhile can give a part that
    it never had as a whole, but none that does not come back as its hash says.
    """

    def __init__(self, store: Store, known: FindStorage, progress: Callable[[int], None]) -> None:
        self._store = store
        self._known = known
        self._progress = progress

    def encode_whole(self, values: Values) -> EncodedPart:
        """A part that is small enough to be held: hashed, then encoded if it is new. Waits for nobody."""
        data = b"".join(values.blocks())
        oid = hashlib.sha256(data).hexdigest()
        self._progress(len(data))
        if storage := self._known(oid):
            return EncodedPart(oid, len(data), storage)
        held = MemoryValues(values.spec, data)
        return self._put_payload(held.blocks(), values.spec.dtype.width, map)._replace(oid=oid, size=len(data))

    def encode_computed(self, blocks: Iterable[Buffer], width: int) -> EncodedPart:
        """A part that is computed, block by block, once. Waits for nobody."""
        return self._encode_blocks(blocks, width, map)

    def encode_streamed(self, values: Values, parallel: Parallel) -> EncodedPart:
        """A part that is probably new: hashed while it is encoded."""
        return self._encode_blocks(values.blocks(), values.spec.dtype.width, parallel)

    def encode_if_new(self, values: Values, parallel: Parallel) -> EncodedPart:
        """A part that is probably known: hashed alone; read again and encoded only when it is new after all.

        Raises ChangedFile when the second reading gives other bytes.
        """
        with Digest(0) as digest:
            for block in values.blocks():
                digest.update(block)
            oid = digest.oid()
        if storage := self._known(oid):
            self._progress(values.size)
            return EncodedPart(oid, values.size, storage)
        draft = self.encode_streamed(values, parallel)
        if draft.oid != oid:
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        return draft

    def _encode_blocks(self, blocks: Iterable[Buffer], width: int, parallel: Parallel) -> EncodedPart:
        with Digest(0) as digest:
            draft = self._put_payload(self._digest_blocks(blocks, digest), width, parallel)
            oid = digest.oid()
        storage = self._known(oid)  # what is known keeps its storage, even if we hear of it only now (L2)
        return EncodedPart(oid, digest.size, storage) if storage else draft._replace(oid=oid, size=digest.size)

    def _put_payload(self, blocks: Iterable[Buffer], width: int, parallel: Parallel) -> EncodedPart:
        """Put a large payload; hand back a small one, for a bundle."""
        serializer, payload = parameters.encode_values(blocks, width, parallel)
        held: list[Buffer] = []
        size = 0
        for piece in payload:
            held.append(piece)
            size += len(piece)
            if size >= SMALL_PAYLOAD:
                stored = self._store.put(chain(held, payload))
                storage = Storage(Coding("dense", serializer), Place(*stored))
                return EncodedPart("", 0, storage, is_new=True)
        return EncodedPart("", 0, None, serializer, b"".join(held))

    def _digest_blocks(self, blocks: Iterable[Buffer], digest: Digest) -> Iterator[Buffer]:
        for block in blocks:
            digest.update(block)
            self._progress(len(block))
            yield block
