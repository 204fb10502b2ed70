"""A repository on this machine, or on a file system mounted here: objects are linked, or else copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from git_theta.errors import CorruptObject, MissingObject, TransportError
from git_theta.store.local import LocalStore
from git_theta.transport.base import Transport


class DirectoryTransport(Transport):
    """Objects of another repository's theta directory.

    Args:
        store: ours.
        remote: the other repository's theta directory.
        alternates: theta directories that the other repository borrows from.
        progress: told the size of every object that was pushed.
    """

    def __init__(
        self,
        store: LocalStore,
        remote: Path,
        alternates: Iterable[Path] = (),
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._ours = store
        self._theirs = LocalStore(remote, alternates)
        self._progress = progress

    def fetch(self, oids: Iterable[str]) -> list[str]:
        damaged = []
        for oid in oids:
            file = self._theirs.find(oid)
            if file is not None:
                try:
                    self._ours.adopt(file, oid)
                except CorruptObject:
                    damaged.append(oid)
        self._ours.sync()
        return damaged

    def push(self, objects: Mapping[str, int]) -> None:
        for oid, size in objects.items():
            if self._theirs.size(oid) == size:
                continue
            file = self._ours.find(oid)
            if file is None:
                raise MissingObject(
                    f"object {oid} is missing here, so it cannot be pushed",
                    hint="Fetch it from where its commit came from: git theta checkout",
                )
            self._theirs.adopt(file, oid)
            self._progress(size)
        self._theirs.sync()
        lacking = self.lacking(objects)
        if lacking:
            raise TransportError(f"object {lacking[0]} did not arrive in {self._theirs.root}", hint="Push again.")

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        """Those of the objects (oid to size) that the remote has not got."""
        return [oid for oid, size in objects.items() if self._theirs.size(oid) != size]
