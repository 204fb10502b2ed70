"""The parts of one file into the store, in file order; what is known already is not stored again."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.manifest.model import Entry, Manifest, Storage, View
from git_theta.operations.adding.bundle import Bundle
from git_theta.operations.adding.encoding import EncodedPart, PartEncoder
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.context import Context
from git_theta.operations.streams import Stream
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.tensors.arrays import BLOCK, Buffer

if TYPE_CHECKING:
    from concurrent.futures import Future

_INLINE_SIZE = 64 << 10
"""Bytes of a part up to which handing it to a worker costs more than hashing it."""
_MAX_HELD_PARTS = 6
_MAX_UNSETTLED = 512

Reread = Callable[[int, int], bytes]
"""(offset, size) -> bytes of the same file, a second time."""


class PartLabel(NamedTuple):
    """What a part is, before its bytes were seen. ``width``: bytes per number."""

    name: str | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()
    views: tuple[View, ...] = ()
    width: int = 1


class PartWriter:
    """Parts are added in file order; ``entries`` gives what became of them."""

    def __init__(self, context: Context, prior: Manifest | None) -> None:
        self._context = context
        self._known = KnownParts(context, prior)
        self._named = {entry.name: entry for entry in prior.parameters()} if prior else {}
        self._encoder = PartEncoder(context.store, context.workers, self._known, context.preferences)
        self._room = threading.Semaphore(min(2 * context.workers.count, _MAX_HELD_PARTS))
        self._drafts: deque[tuple[PartLabel, EncodedPart | Future[EncodedPart]]] = deque()
        self._settled: list[tuple[PartLabel, EncodedPart]] = []
        self._storages: dict[str, Storage] = {}
        self._starts: dict[str, str] = {}
        self._bundle = Bundle(context.store, self._storages)

    def add(self, label: PartLabel, data: Buffer) -> None:
        """A part that is in memory."""
        if len(data) <= _INLINE_SIZE:
            return self._append(label, self._encoder.encode_whole(data, label.width))
        return self._append(label, self._submit(self._encoder.encode_whole, data, label.width))

    def add_computed(self, label: PartLabel, pieces: Callable[[], Iterable[Buffer]]) -> None:
        """A part that is computed, piece by piece, on a worker; ``pieces`` waits for nobody."""
        self._append(label, self._submit(self._encode_computed, pieces, label.width))

    def add_stream(self, label: PartLabel, stream: Stream, size: int, reread: Reread) -> None:
        """A part that is the next ``size`` bytes of the stream."""
        if size <= WHOLE_LIMIT:
            return self.add(label, stream.take(size))
        start = stream.offset
        first = stream.take(BLOCK)
        blocks = chain([first], _stream_blocks(stream, size - len(first)))
        first_hash = hashlib.sha256(first).hexdigest()
        if self._looks_unchanged(label, first_hash):
            again = partial(_reread_blocks, reread, start, size)
            draft = self._encoder.encode_if_new(blocks, again, size, label.width)
        else:
            draft = self._encoder.encode_stream(blocks, size, label.width)
        self._starts[draft.oid] = first_hash
        return self._append(label, draft)

    def add_stored(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._append(PartLabel(*entry[3:7]), EncodedPart(entry.oid, entry.size, entry.storage))

    def entries(self) -> list[Entry]:
        """Every part as an entry; what they name is durable now (L5)."""
        while self._drafts:
            self._settle_first()
        self._bundle.close()
        self._context.store.sync()
        entries = [
            Entry(draft.oid, draft.size, self._storages[draft.oid], *label[:4]) for label, draft in self._settled
        ]
        self._context.state.remember_storages(entry for entry in entries if not self._known.is_prior(entry))
        self._context.state.remember_starts(self._starts)
        return entries

    def _looks_unchanged(self, label: PartLabel, first_hash: str) -> bool:
        """Whether a large part starts as the one of that name in the index, as far as is known: probably the same."""
        before = self._named.get(label.name)
        if before is None or (before.dtype, before.shape) != label[1:3] or not self._known(before.oid):
            return False
        return self._context.state.start_of(before.oid) in (None, first_hash)

    def _encode_computed(self, pieces: Callable[[], Iterable[Buffer]], width: int) -> EncodedPart:
        return self._encoder.encode_computed(Stream.from_pieces(pieces()).take_rest(BLOCK), width)

    def _submit(self, encode: Callable[..., EncodedPart], *arguments: Any) -> Future[EncodedPart]:
        self._room.acquire()
        future = self._context.workers.cores.submit(encode, *arguments)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _append(self, label: PartLabel, draft: EncodedPart | Future[EncodedPart]) -> None:
        self._drafts.append((label, draft))
        while self._drafts and (_is_done(self._drafts[0][1]) or len(self._drafts) > _MAX_UNSETTLED):
            self._settle_first()

    def _settle_first(self) -> None:
        """The first draft gets its storage, or a place in a bundle. In file order, so that equal parts share it."""
        label, awaited = self._drafts.popleft()
        draft = awaited if isinstance(awaited, EncodedPart) else awaited.result()
        self._context.progress(draft.size)
        if draft.storage:
            self._storages.setdefault(draft.oid, draft.storage)
        elif draft.coding:
            self._bundle.add(draft.oid, draft.coding, draft.payload)
        self._settled.append((label, draft._replace(payload=b"")))


def _is_done(draft: EncodedPart | Future[EncodedPart]) -> bool:
    return isinstance(draft, EncodedPart) or draft.done()


def _stream_blocks(stream: Stream, size: int) -> Iterator[Buffer]:
    while size > 0 and (block := stream.take(min(BLOCK, size))):
        size -= len(block)
        yield block


def _reread_blocks(reread: Reread, start: int, size: int) -> Iterator[Buffer]:
    return (reread(offset, min(BLOCK, start + size - offset)) for offset in range(start, start + size, BLOCK))
