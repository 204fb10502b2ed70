"""Small payloads together in one object: thousands of tiny objects would be slow to keep and to send."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Place, Storage
from git_theta.store.base import Store

SMALL_PAYLOAD = 64 << 10
"""Bytes of a payload below which it shares an object with others."""
_FULL_BUNDLE = 4 << 20
"""Bytes at which a bundle is closed, and another one begun."""


class Bundle:
    """Payloads that wait for their object; ``storages`` is told where each one went."""

    def __init__(self, store: Store, storages: dict[str, Storage]) -> None:
        self._store = store
        self._storages = storages
        self._waiting: dict[str, tuple[Coding, bytes]] = {}
        self._size = 0

    def add(self, oid: str, coding: Coding, payload: bytes) -> None:
        """Take the payload of part ``oid``; a part that is stored or waiting already is not taken twice."""
        if oid in self._storages or oid in self._waiting:
            return
        self._waiting[oid] = coding, payload
        self._size += len(payload)
        if self._size >= _FULL_BUNDLE:
            self.close()

    def close(self) -> None:
        """Put what waits as one object."""
        if not self._waiting:
            return
        stored = self._store.put(payload for _, payload in self._waiting.values())
        offset = 0
        for oid, (coding, payload) in self._waiting.items():
            inside = None if len(payload) == stored.size else (offset, len(payload))
            self._storages[oid] = Storage(coding, Place(stored.oid, stored.size, inside))
            offset += len(payload)
        self._waiting, self._size = {}, 0
