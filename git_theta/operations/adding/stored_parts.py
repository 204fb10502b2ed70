"""Where the parts of one file went, and what is remembered of it as soon as it is durable."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from git_theta.manifest.model import Entry, Storage
from git_theta.operations.adding.bundle import FULL_BUNDLE, Bundle
from git_theta.operations.adding.encoding import EncodedPart
from git_theta.operations.context import Context

if TYPE_CHECKING:
    from concurrent.futures import Future

_MAX_PUTTING = 1
"""Full bundles that may wait for the disk when one more is full."""
_REMEMBER_EVERY = 64 << 20
"""Bytes that an interrupted add may have stored in vain: it knows those that were remembered when it is repeated."""


class StoredParts:
    """Parts are added in file order; of equal ones the first decides where they are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sizes: dict[str, int] = {}
        self._storages: dict[str, Storage] = {}
        self._bundle = Bundle()
        self._putting: deque[Future[dict[str, Storage]]] = deque()
        self._new: list[Entry] = []
        self._new_bytes = 0

    def add(self, part: EncodedPart) -> None:
        """Take an encoded part: its storage, or its payload for a bundle."""
        if part.oid in self._sizes:
            return
        self._sizes[part.oid] = part.size
        if part.coding:
            self._bundle.add(part.oid, part.coding, part.payload)
            if self._bundle.size >= FULL_BUNDLE:
                self._await_bundles(_MAX_PUTTING)
                self._putting.append(self._context.workers.lanes.submit(self._bundle.put, self._context.store))
                self._bundle = Bundle()
        elif part.storage and part.is_new:
            self._keep({part.oid: part.storage}, part.storage.place.size)
        elif part.storage:
            self._storages[part.oid] = part.storage

    def finish(self) -> dict[str, Storage]:
        """Where each part is, by oid; all of it is durable now (L5)."""
        self._await_bundles(0)
        self._keep(self._bundle.put(self._context.store), self._bundle.size)
        self._remember_new()
        return self._storages

    def _await_bundles(self, limit: int) -> None:
        while len(self._putting) > limit:
            self._keep(self._putting.popleft().result(), FULL_BUNDLE)

    def _keep(self, storages: dict[str, Storage], size: int) -> None:
        self._storages |= storages
        self._new += (Entry(oid, self._sizes[oid], storage) for oid, storage in storages.items())
        self._new_bytes += size
        if self._new_bytes >= _REMEMBER_EVERY:
            self._remember_new()

    def _remember_new(self) -> None:
        self._context.store.sync()
        self._context.state.remember_storages(self._new)
        self._new, self._new_bytes = [], 0
