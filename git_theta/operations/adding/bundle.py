"""Small payloads together in one object: thousands of tiny objects would be slow to keep and to send."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Place, Storage
from git_theta.store.base import Store

SMALL_PAYLOAD = 1 << 20
"""Bytes of a payload below which it shares an object with others: each object costs an fsync here, a request there."""
FULL_BUNDLE = 16 << 20
"""Bytes at which a bundle is put, and another one begun."""


class Bundle:
    """Payloads that wait for their object."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._parts: list[tuple[str, Coding, int]] = []

    @property
    def size(self) -> int:
        """Bytes so far."""
        return len(self._data)

    def add(self, key: str, coding: Coding, payload: bytes) -> None:
        """Take a payload, to be found again by ``key``."""
        self._parts.append((key, coding, len(payload)))
        self._data += payload

    def put(self, store: Store) -> dict[str, Storage]:
        """Put all of them as one object; where each one went, by its key."""
        if not self._parts:
            return {}
        stored = store.put([self._data])
        storages, offset = {}, 0
        for key, coding, size in self._parts:
            inside = None if size == stored.size else (offset, size)
            storages[key] = Storage(coding, Place(stored.oid, stored.size, inside))
            offset += size
        return storages
