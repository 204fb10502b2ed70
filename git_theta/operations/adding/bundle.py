"""Small payloads together in one object: thousands of tiny objects would be slow to keep and to send."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Place, Storage
from git_theta.store.base import Store

SMALL_PAYLOAD = 1 << 20
"""Bytes of a payload below which it shares an object with others: each object costs an fsync here, a request there."""
FULL_BUNDLE = 16 << 20
"""Bytes at which a bundle is put, and another one begun."""


class Bundle:
    """Payloads that wait for their object.

    Attributes:
        size: bytes so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._payloads: list[tuple[str, Coding, bytes]] = []

    def add(self, oid: str, coding: Coding, payload: bytes) -> None:
        """Take the payload of part ``oid``."""
        self._payloads.append((oid, coding, payload))
        self.size += len(payload)

    def put(self, store: Store) -> dict[str, Storage]:
        """Put all of them as one object; where each one went, by its part's oid."""
        if not self._payloads:
            return {}
        stored = store.put(payload for _, _, payload in self._payloads)
        storages, offset = {}, 0
        for oid, coding, payload in self._payloads:
            inside = None if len(payload) == stored.size else (offset, len(payload))
            storages[oid] = Storage(coding, Place(stored.oid, stored.size, inside))
            offset += len(payload)
        return storages
