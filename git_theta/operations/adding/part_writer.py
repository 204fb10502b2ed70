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
from git_theta.operations.adding.encoding import Draft, Encoder
from git_theta.operations.adding.known_parts import Known
from git_theta.operations.context import Desk
from git_theta.operations.streams import Stream
from git_theta.operations.workers import HELD
from git_theta.tensors.arrays import BLOCK, Buffer

if TYPE_CHECKING:
    from concurrent.futures import Future

_AT_ONCE = 64 << 10
"""Bytes of a part up to which handing it to a worker costs more than hashing it."""
_HELD_AT_ONCE = 6
_UNSETTLED = 512

Reread = Callable[[int, int], bytes]
"""(offset, size) -> bytes of the same file, a second time."""


class Label(NamedTuple):
    """What a part is, before its bytes were seen. ``width``: bytes per number."""

    name: str | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()
    views: tuple[View, ...] = ()
    width: int = 1


class Deposit:
    """Parts are added in file order; ``entries`` gives what became of them."""

    def __init__(self, desk: Desk, prior: Manifest | None) -> None:
        self._desk = desk
        self._known = Known(desk, prior)
        self._named = {entry.name: entry for entry in prior.parameters()} if prior else {}
        self._encoder = Encoder(desk.store, desk.workers, self._known)
        self._room = threading.Semaphore(min(2 * desk.workers.count, _HELD_AT_ONCE))
        self._drafts: deque[tuple[Label, Draft | Future[Draft]]] = deque()
        self._settled: list[tuple[Label, Draft]] = []
        self._storages: dict[str, Storage] = {}
        self._starts: dict[str, str] = {}
        self._bundle = Bundle(desk.store, self._storages)

    def add(self, label: Label, data: Buffer) -> None:
        """A part that is in memory."""
        if len(data) <= _AT_ONCE:
            return self._append(label, self._encoder.whole(data, label.width))
        return self._append(label, self._submit(self._encoder.whole, data, label.width))

    def make(self, label: Label, pieces: Callable[[], Iterable[Buffer]]) -> None:
        """A part that is computed, piece by piece, on a worker; ``pieces`` waits for nobody."""
        self._append(label, self._submit(self._made, pieces, label.width))

    def take(self, label: Label, stream: Stream, size: int, reread: Reread) -> None:
        """A part that is the next ``size`` bytes of the stream."""
        if size <= HELD:
            return self.add(label, stream.take(size))
        start = stream.offset
        first = stream.take(BLOCK)
        blocks = chain([first], _blocks(stream, size - len(first)))
        first_hash = hashlib.sha256(first).hexdigest()
        if self._looks_unchanged(label, first_hash):
            again = partial(_again, reread, start, size)
            draft = self._encoder.expected(blocks, again, size, label.width)
        else:
            draft = self._encoder.streamed(blocks, size, label.width)
        self._starts[draft.oid] = first_hash
        return self._append(label, draft)

    def keep(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._append(Label(*entry[3:7]), Draft(entry.oid, entry.size, entry.storage))

    def entries(self) -> list[Entry]:
        """Every part as an entry; what they name is durable now (L5)."""
        while self._drafts:
            self._settle()
        self._bundle.close()
        self._desk.store.sync()
        entries = [
            Entry(draft.oid, draft.size, self._storages[draft.oid], *label[:4]) for label, draft in self._settled
        ]
        self._desk.state.remember(entry for entry in entries if not self._known.is_prior(entry))
        self._desk.state.remember_starts(self._starts)
        return entries

    def _looks_unchanged(self, label: Label, first_hash: str) -> bool:
        """Whether a large part starts as the one of that name in the index, as far as is known: probably the same."""
        before = self._named.get(label.name)
        if before is None or (before.dtype, before.shape) != label[1:3] or not self._known(before.oid):
            return False
        return self._desk.state.start_of(before.oid) in (None, first_hash)

    def _made(self, pieces: Callable[[], Iterable[Buffer]], width: int) -> Draft:
        return self._encoder.made(Stream.of(pieces()).rest(BLOCK), width)

    def _submit(self, encode: Callable[..., Draft], *arguments: Any) -> Future[Draft]:
        self._room.acquire()
        future = self._desk.workers.cores.submit(encode, *arguments)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _append(self, label: Label, draft: Draft | Future[Draft]) -> None:
        self._drafts.append((label, draft))
        while self._drafts and (_is_done(self._drafts[0][1]) or len(self._drafts) > _UNSETTLED):
            self._settle()

    def _settle(self) -> None:
        """The first draft gets its storage, or a place in a bundle. In file order, so that equal parts share it."""
        label, awaited = self._drafts.popleft()
        draft = awaited if isinstance(awaited, Draft) else awaited.result()
        self._desk.progress(draft.size)
        if draft.storage:
            self._storages.setdefault(draft.oid, draft.storage)
        else:
            self._bundle.add(draft.oid, draft.serializer, draft.payload)
        self._settled.append((label, draft._replace(payload=b"")))


def _is_done(draft: Draft | Future[Draft]) -> bool:
    return isinstance(draft, Draft) or draft.done()


def _blocks(stream: Stream, size: int) -> Iterator[Buffer]:
    while size > 0 and (block := stream.take(min(BLOCK, size))):
        size -= len(block)
        yield block


def _again(reread: Reread, start: int, size: int) -> Iterator[Buffer]:
    return (reread(offset, min(BLOCK, start + size - offset)) for offset in range(start, start + size, BLOCK))
