"""Whether a remote has all that manifests need, whole, and so that its host keeps it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import MissingObject, ThetaError
from git_theta.repository.sharing.pointers import read_remote_pointers
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.transport.base import Transport
from git_theta.vcs.discovery import Repository

_BATCH = 256 << 20
"""Bytes of the objects that are read at once; of one object, where it has more."""


class RemoteFault(NamedTuple):
    """What is wrong with an object on a remote.

    Attributes:
        oid: the object.
        error: MissingObject: it is not there, or has no pointer; CorruptObject: other bytes are; else why nobody knows.
        has_object: whether only its pointer is missing.
    """

    oid: str
    error: ThetaError
    has_object: bool = False


def find_lacking(objects: Mapping[str, int], transport: Transport) -> Iterator[RemoteFault]:
    """The objects (oid to size) that a remote lacks, or refuses."""
    for oid in transport.lacking(objects):
        yield RemoteFault(oid, transport.explain_lack(oid))


def find_unnamed(
    remote: str, url: str, objects: Mapping[str, int], repository: Repository, tell: Callable[[str], None]
) -> Iterator[RemoteFault]:
    """The objects that no pointer on a remote names, whose host needs pointers. Raises TransportError."""
    for oid in read_remote_pointers(remote, url, repository, tell).select_unnamed(objects):
        yield RemoteFault(oid, MissingObject("has no pointer there: the host may delete it"), has_object=True)


def find_damaged(
    objects: Mapping[str, int], transport: Transport, scratch: Path, progress: Callable[[int], None]
) -> Iterator[RemoteFault]:
    """The objects whose bytes on a remote are others than they should be: all of them are read, and none is kept.

    ``scratch``: a folder of temporary files, which takes a batch of objects at a time.
    """
    for batch in _split_by_size(objects):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            for outcome in transport.fetch(batch, Inbox(LocalStore(Path(folder)), Path(folder))):
                progress(batch[outcome.oid])
                if outcome.error:
                    yield RemoteFault(outcome.oid, outcome.error)


def _split_by_size(objects: Mapping[str, int]) -> Iterator[dict[str, int]]:
    batch: dict[str, int] = {}
    for oid, size in objects.items():
        if batch and sum(batch.values()) + size > _BATCH:
            yield batch
            batch = {}
        batch[oid] = size
    if batch:
        yield batch
