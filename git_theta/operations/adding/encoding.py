"""One part hashed and, if it is new, encoded and put: whole on one core, or block by block while it arrives."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from git_theta import parameters
from git_theta.errors import ChangedFile
from git_theta.manifest.model import Coding, Place, Storage
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.passing_values import PassingValues
from git_theta.operations.workers import Workers
from git_theta.parameters import Encoding, Preferences
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.digest import Digest
from git_theta.tensors.dtypes import DType
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues

if TYPE_CHECKING:
    from concurrent.futures import Future

RereadBlocks = Callable[[], Iterator[Buffer]]
"""The same blocks, a second time."""
BlockQueue = queue.Queue[Buffer | BaseException | None]
"""Blocks on their way to a lane; then None, or what became of the rest."""
FindStorage = Callable[[str], Storage | None]
"""The storage of a part that is stored already, by its oid."""


class EncodedPart(NamedTuple):
    """A hashed part: with its storage, or with a small payload and how it becomes values again."""

    oid: str
    size: int
    storage: Storage | None
    coding: Coding | None = None
    payload: bytes = b""


class PartEncoder:
    """Turns parts into drafts."""

    def __init__(
        self,
        store: Store,
        workers: Workers,
        known: FindStorage,
        preferences: Callable[[], Preferences] = lambda: parameters.DEFAULT_PREFERENCES,
    ) -> None:
        self._preferences = preferences
        self._store = store
        self._workers = workers
        self._known = known

    def encode_whole(self, data: Buffer, width: int) -> EncodedPart:
        """A part in memory; runs on one core and waits for nobody."""
        oid = hashlib.sha256(data).hexdigest()
        if storage := self._known(oid):
            return EncodedPart(oid, len(data), storage)
        values = MemoryValues(Spec(_unsigned(width), (len(data) // width,)), data)
        return self._put_payload(parameters.encode_values(values, map, self._preferences()))._replace(
            oid=oid, size=len(data)
        )

    def encode_computed(self, blocks: Iterable[Buffer], width: int) -> EncodedPart:
        """A part as it is computed: hashed and encoded where we are, block by block; waits for nobody."""
        with Digest(0) as digest:
            values = PassingValues(_unsigned(width), _digest_blocks(blocks, digest))
            draft = self._put_payload(parameters.encode_values(values, map, self._preferences()))
            oid = digest.oid()
        return draft._replace(oid=oid, size=digest.size, storage=self._known(oid) or draft.storage)

    def encode_stream(self, blocks: Iterable[Buffer], size: int, width: int) -> EncodedPart:
        """A part of about ``size`` bytes as it arrives: hashed here, encoded on the cores, written on a lane."""
        waiting: BlockQueue = queue.Queue(2 * self._workers.count)
        storing = self._workers.lanes.submit(self._encode_blocks, _take_blocks(waiting), width)
        with Digest(size) as digest:
            try:
                for block in blocks:
                    digest.update(block)
                    _offer_block(waiting, block, storing)
            except BaseException as error:  # the lane must hear of it, or it waits for the next block for ever
                _offer_block(waiting, error, storing)
                raise
            _offer_block(waiting, None, storing)
            return storing.result()._replace(oid=digest.oid(), size=digest.size)

    def encode_if_new(self, blocks: Iterable[Buffer], again: RereadBlocks, size: int, width: int) -> EncodedPart:
        """A part that is probably known: hashed alone; read ``again`` and encoded only when it is new after all.

        Raises ChangedFile when the second reading gives other bytes.
        """
        with Digest(size) as digest:
            for block in blocks:
                digest.update(block)
            oid = digest.oid()
        if storage := self._known(oid):
            return EncodedPart(oid, digest.size, storage)
        draft = self.encode_stream(again(), size, width)
        if draft.oid != oid:
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        return draft

    def _encode_blocks(self, blocks: Iterator[Buffer], width: int) -> EncodedPart:
        values = PassingValues(_unsigned(width), blocks)
        return self._put_payload(parameters.encode_values(values, self._workers.map, self._preferences()))

    def _put_payload(self, encoding: Encoding) -> EncodedPart:
        """Put a large payload; hand back a small one, for a bundle."""
        held: list[Buffer] = []
        size = 0
        for piece in encoding.payload:
            held.append(piece)
            size += len(piece)
            if size >= SMALL_PAYLOAD:
                stored = self._store.put(chain(held, encoding.payload))
                return EncodedPart("", 0, Storage(encoding.coding, Place(*stored)))
        return EncodedPart("", 0, None, encoding.coding, b"".join(held))


def _unsigned(width: int) -> DType:
    """A dtype of numbers of that width: all that dense storage asks of one."""
    return DType(f"U{8 * width}", 8 * width, "uint")


def _digest_blocks(blocks: Iterable[Buffer], digest: Digest) -> Iterator[Buffer]:
    for block in blocks:
        digest.update(block)
        yield block


def _take_blocks(waiting: BlockQueue) -> Iterator[Buffer]:
    while (block := waiting.get()) is not None:
        if isinstance(block, BaseException):
            raise block
        yield block


def _offer_block(waiting: BlockQueue, block: Buffer | BaseException | None, taker: Future[EncodedPart]) -> None:
    """Queue ``block``; when who should take it has failed meanwhile, raise what it raised."""
    while not taker.done():
        try:
            return waiting.put(block, timeout=0.5)
        except queue.Full:
            continue
    taker.result()
    return None
