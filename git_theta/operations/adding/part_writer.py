"""The parts of one file, hashed and encoded side by side; what is known already is not stored again.

They are settled in file order: which payloads share a bundle depends on the file and on what is known, and not on which
thread was faster (L2).
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from git_theta.manifest.model import Entry
from git_theta.operations.adding.bundle import SMALL_PAYLOAD
from git_theta.operations.adding.encoding import EncodedPart, PartEncoder
from git_theta.operations.adding.encoding_hint import NO_HINT, EncodingHint
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.stored_parts import StoredParts, find_stored
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.tensors.values import Values

if TYPE_CHECKING:
    from concurrent.futures import Future

_INLINE_SIZE = 64 << 10
"""Bytes of a part up to which handing it to a worker costs more than hashing it."""
_MAX_UNSETTLED = 16 << 20
"""Bytes of payloads that may wait for a part that comes before them."""


class _Draft(NamedTuple):
    """A part that somebody works at, or that waits for those before it: with the bytes it may keep in memory."""

    label: PartLabel
    part: EncodedPart | Future[EncodedPart]
    held: int


class PartWriter:
    """Parts are added in file order; ``entries`` gives what became of them."""

    def __init__(self, context: Context, known: KnownParts, bases: UpdateBases | None = None) -> None:
        self._context = context
        self._known = known
        self._encoder = PartEncoder(context, known, bases)
        self._drafts: deque[_Draft] = deque()
        self._held = 0
        self._settled: list[tuple[PartLabel, str, int]] = []
        self._stored = StoredParts(context)

    def add(self, label: PartLabel, values: Values, hint: EncodingHint = NO_HINT) -> None:
        """The next part of the file."""
        workers = self._context.workers
        if values.size <= _INLINE_SIZE:
            self._append(label, self._encoder.encode_whole(values, label, hint), values.size)
        elif values.size <= WHOLE_LIMIT:
            self._append(label, workers.cores.submit(self._encoder.encode_whole, values, label, hint), values.size)
        else:
            self._append(label, workers.lanes.submit(self._encode_large, label, values, hint), values.size)

    def add_encoded(self, label: PartLabel, part: EncodedPart) -> None:
        """A part that is encoded already."""
        self._append(label, part, len(part.payload))

    def add_stored(self, entry: Entry) -> None:
        """A part that is stored already."""
        self._append(PartLabel.of_entry(entry), EncodedPart(entry.oid, entry.size, entry.storage), 0)

    def add_again(self, entry: Entry) -> None:
        """A part that is stored already, to be stored once more: on the base that it has now."""
        workers, label = self._context.workers, PartLabel.of_entry(entry)
        if entry.size <= WHOLE_LIMIT:
            self._append(label, workers.cores.submit(self._encoder.encode_again, entry, map), entry.size)
        else:
            self._append(label, workers.lanes.submit(self._encoder.encode_again, entry, workers.map), entry.size)

    def entries(self) -> list[Entry]:
        """Every part as an entry; what they name is durable now (L5)."""
        while self._drafts:
            self._settle_first()
        storages = self._stored.finish()
        return [Entry(oid, size, find_stored(storages, oid, label), *label) for label, oid, size in self._settled]

    def close(self) -> None:
        """Nobody works for us any more when this returns."""
        for draft in self._drafts:
            if not isinstance(draft.part, EncodedPart) and not draft.part.cancel():
                draft.part.exception()

    def _encode_large(self, label: PartLabel, values: Values, hint: EncodingHint) -> EncodedPart:
        start = hashlib.sha256(next(iter(values.blocks()))).hexdigest()
        encode = self._encoder.encode_if_new if self._known.is_likely(label, start) else self._encoder.encode_streamed
        part = encode(values, self._context.workers.map, label, hint)
        self._context.state.remember_start(part.oid, start)
        return part

    def _append(self, label: PartLabel, part: EncodedPart | Future[EncodedPart], size: int) -> None:
        draft = _Draft(label, part, min(size, SMALL_PAYLOAD))
        self._drafts.append(draft)
        self._held += draft.held
        while self._drafts and (_is_done(self._drafts[0].part) or self._held > _MAX_UNSETTLED):
            self._settle_first()

    def _settle_first(self) -> None:
        """The first draft gets its storage, or a place in a bundle. In file order, so that equal parts share it."""
        draft = self._drafts.popleft()
        part = draft.part if isinstance(draft.part, EncodedPart) else draft.part.result()
        self._held -= draft.held
        self._stored.add(part, draft.label)
        self._settled.append((draft.label, part.oid, part.size))


def _is_done(draft: EncodedPart | Future[EncodedPart]) -> bool:
    return isinstance(draft, EncodedPart) or draft.done()
