"""The seam of a transport: objects between the local store and one remote.

Laws: idempotent, so a transfer that was cut is simply repeated; and honest: ``push`` returns only when every object is
on the remote, which it has checked there (L7).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping


class Transport(ABC):
    """One remote."""

    @abstractmethod
    def fetch(self, oids: Iterable[str]) -> list[str]:
        """Bring those of ``oids`` that the remote has whole; returns those whose copy there is damaged.

        Neither those nor what it lacks are an error: another remote may have them.
        """

    @abstractmethod
    def push(self, objects: Mapping[str, int]) -> None:
        """Put the objects (oid to size) on the remote. Raises TransportError naming one that did not arrive."""
