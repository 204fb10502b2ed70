"""Where the parts of one file went, and what is remembered of it as soon as it is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from git_theta.manifest.model import Entry, Storage, storage_key, storage_keys
from git_theta.operations.adding.bundle import FULL_BUNDLE, Bundle
from git_theta.operations.adding.encoding import EncodedPart
from git_theta.operations.adding.part_label import NO_LABEL, PartLabel
from git_theta.operations.context import Context

if TYPE_CHECKING:
    from concurrent.futures import Future

_MAX_PUTTING = 1
"""Full bundles that may wait for the disk when one more is full."""
_REMEMBER_EVERY = 64 << 20
"""Bytes that an interrupted add may have stored in vain: it knows those that were remembered when it is repeated."""


class StoredParts:
    """Parts are added in file order; of equal ones the first decides where they are. Equal are those of one key."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._added: dict[str, tuple[str, int, PartLabel]] = {}
        self._storages: dict[str, Storage] = {}
        self._bundle = Bundle()
        self._putting: deque[Future[dict[str, Storage]]] = deque()
        self._new: list[Entry] = []
        self._new_bytes = 0

    def add(self, part: EncodedPart, label: PartLabel = NO_LABEL) -> None:
        """Take an encoded part: its storage, or its payload for a bundle."""
        if any(key in self._added for key in storage_keys(part.oid, label.dtype, label.shape)):
            return
        coding = part.storage.coding if part.storage else part.coding
        assert coding
        key = storage_key(part.oid, label.dtype, label.shape, coding)
        self._added[key] = part.oid, part.size, label
        if part.coding:
            self._bundle.add(key, part.coding, part.payload)
            if self._bundle.size >= FULL_BUNDLE:
                self._await_bundles(_MAX_PUTTING)
                self._putting.append(self._context.workers.lanes.submit(self._bundle.put, self._context.store))
                self._bundle = Bundle()
        elif part.storage and part.is_new:
            self._keep({key: part.storage}, part.storage.place.size)
        elif part.storage:
            self._storages[key] = part.storage

    def finish(self) -> dict[str, Storage]:
        """Where each part is, by its key (``storage_key``); all of it is durable now (L5)."""
        self._await_bundles(0)
        self._keep(self._bundle.put(self._context.store), self._bundle.size)
        self._remember_new()
        return self._storages

    def _entry_of(self, key: str, storage: Storage) -> Entry:
        oid, size, label = self._added[key]
        return Entry(oid, size, storage, None, label.dtype, label.shape)

    def _await_bundles(self, limit: int) -> None:
        while len(self._putting) > limit:
            self._keep(self._putting.popleft().result(), FULL_BUNDLE)

    def _keep(self, storages: dict[str, Storage], size: int) -> None:
        self._storages |= storages
        self._new += (self._entry_of(key, storage) for key, storage in storages.items())
        self._new_bytes += size
        if self._new_bytes >= _REMEMBER_EVERY:
            self._remember_new()

    def _remember_new(self) -> None:
        self._context.store.sync()
        self._context.state.remember_storages(self._new)
        self._new, self._new_bytes = [], 0


def find_stored(storages: Mapping[str, Storage], oid: str, label: PartLabel) -> Storage:
    """The storage of a part that was added, among what ``StoredParts.finish`` gave."""
    exact, any_kind = storage_keys(oid, label.dtype, label.shape)
    return storages.get(exact) or storages[any_kind]
