"""One part hashed and, if it is new, encoded and put: whole on one core, or block by block while it arrives."""

from __future__ import annotations

import hashlib
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

from git_theta import parameters
from git_theta.errors import ChangedFile
from git_theta.manifest.model import Storage
from git_theta.operations.bundle import SMALL
from git_theta.operations.workers import Workers
from git_theta.store.base import Store
from git_theta.tensors.arrays import Buffer

_AHEAD = 16
"""Blocks that may wait for the hash."""

Known = Callable[[str], Storage | None]
"""The storage of a part that is stored already, by its oid."""


class Draft(NamedTuple):
    """A hashed part: with its storage, or with a small payload and the serializer that wrote it."""

    oid: str
    size: int
    storage: Storage | None
    serializer: str = ""
    payload: bytes = b""


class Encoder:
    """Turns parts into drafts."""

    def __init__(self, store: Store, workers: Workers, known: Known) -> None:
        self._store = store
        self._workers = workers
        self._known = known

    def whole(self, data: Buffer, width: int) -> Draft:
        """A part in memory; runs on one core and waits for nobody."""
        oid = hashlib.sha256(data).hexdigest()
        if storage := self._known(oid):
            return Draft(oid, len(data), storage)
        return self._put(*parameters.encode(parameters.blocks(data), width, map))._replace(oid=oid, size=len(data))

    def streamed(self, blocks: Iterable[Buffer], width: int) -> Draft:
        """A part as it arrives: hashed on one thread, encoded on the cores, written on a third."""
        waiting: queue.Queue[Buffer | None] = queue.Queue(2 * self._workers.count)
        storing = self._workers.lanes.submit(self._encoded, iter(waiting.get, None), width)
        with _Hasher() as hasher:
            for block in blocks:
                hasher.update(block)
                _offer(waiting, block, storing)
            _offer(waiting, None, storing)
        return storing.result()._replace(oid=hasher.oid, size=hasher.size)

    def expected(self, blocks: Iterable[Buffer], again: Callable[[], Iterator[Buffer]], width: int) -> Draft:
        """A part that is probably known: hashed alone; read ``again`` and encoded only when it is new after all.

        Raises ChangedFile when the second reading gives other bytes.
        """
        with _Hasher() as hasher:
            for block in blocks:
                hasher.update(block)
        if storage := self._known(hasher.oid):
            return Draft(hasher.oid, hasher.size, storage)
        draft = self.streamed(again(), width)
        if draft.oid != hasher.oid:
            raise ChangedFile("the file changed while it was being added", hint="Repeat the command.")
        return draft

    def _encoded(self, blocks: Iterator[Buffer], width: int) -> Draft:
        return self._put(*parameters.encode(blocks, width, self._workers.map))

    def _put(self, serializer: str, payload: Iterator[Buffer]) -> Draft:
        """Put a large payload; hand back a small one, for a bundle."""
        held: list[Buffer] = []
        size = 0
        for piece in payload:
            held.append(piece)
            size += len(piece)
            if size >= SMALL:
                stored = self._store.put(chain(held, payload))
                return Draft("", 0, Storage("dense", serializer, stored.oid, stored.size))
        return Draft("", 0, None, serializer, b"".join(held))


class _Hasher:
    """SHA-256 on a thread of its own, a few blocks behind."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._behind: deque[Future[None]] = deque()

    def __enter__(self) -> _Hasher:
        self._thread = ThreadPoolExecutor(1, "theta-hash")
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def update(self, block: Buffer) -> None:
        self.size += len(block)
        self._behind.append(self._thread.submit(self._digest.update, block))
        if len(self._behind) > _AHEAD:
            self._behind.popleft().result()

    @property
    def oid(self) -> str:
        """The hash, once the ``with`` block is left."""
        return self._digest.hexdigest()


def _offer(waiting: queue.Queue[Buffer | None], block: Buffer | None, taker: Future[Draft]) -> None:
    """Queue ``block``; when who should take it has failed meanwhile, raise what it raised."""
    while not taker.done():
        try:
            return waiting.put(block, timeout=0.5)
        except queue.Full:
            continue
    taker.result()
    return None
