"""Objects that git-lfs has brought, taken into our store while it brings others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Self

from git_theta.errors import CorruptObject
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome
from git_theta.transport.lfs.lfs_scratch import LfsScratch
from git_theta.transport.lfs.partial_downloads import find_incomplete
from git_theta.transport.outcomes import ITEM_ERRORS
from git_theta.transport.parallel import run_in_background

_WORKERS = 4
"""Objects that are hashed and made durable at once."""
_SYNCED_TOGETHER = 64 << 20
"""Bytes that arrive between two times that the disk is told to write them."""


class Adoption:
    """Takes what arrives into the inbox, hashed and durable; a context manager, which waits for what is under way.

    Args:
        wanted: objects (oid to size) that are awaited; those that have arrived are taken out.
        inbox: takes them.
        scratch: where git-lfs works.
    """

    def __init__(self, wanted: dict[str, int], inbox: Inbox, scratch: LfsScratch) -> None:
        self._wanted, self._inbox, self._scratch = wanted, inbox, scratch
        self._pool = ThreadPoolExecutor(_WORKERS)
        self._under_way: set[Future[Outcome]] = set()
        self._synced: dict[str, int] = {}
        self._sync: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def take_finished(self) -> Iterator[Outcome]:
        """Begin with what has arrived since; the outcomes of what is done."""
        self._begin_arrived()
        self._begin_sync()
        yield from self._take(0)

    def take_all(self) -> Iterator[Outcome]:
        """The outcomes of all that has arrived, when git-lfs has ended."""
        self._begin_arrived()
        yield from self._take(None)

    def _begin_arrived(self) -> None:
        for oid in [oid for oid in self._wanted if self._scratch.place_of(oid).exists()]:
            work = self._pool.submit(copy_context().run, self._adopt, oid, self._wanted.pop(oid))
            self._under_way.add(work)

    def _take(self, timeout: float | None) -> Iterator[Outcome]:
        done, self._under_way = wait(self._under_way, timeout)
        yield from (work.result() for work in done)

    def _adopt(self, oid: str, size: int) -> Outcome:
        file = self._scratch.seal(oid)
        try:
            arrived = file.stat().st_size
            if arrived != size:
                return Outcome(oid, 0, CorruptObject(f"object {oid} has {arrived} bytes, not {size}"))
            self._inbox.adopt(file, oid)
        except ITEM_ERRORS as error:
            return Outcome(oid, 0, error)
        finally:
            file.unlink(missing_ok=True)
        return Outcome(oid, size)

    def _begin_sync(self) -> None:
        """Have the disk write what has arrived of large objects: all of it at the end would be waited for."""
        if self._sync and not self._sync.done():
            return
        for oid, (file, size) in find_incomplete(self._scratch.storage).items():
            if size >= self._synced.get(oid, 0) + _SYNCED_TOGETHER:
                self._synced[oid] = size
                self._sync = run_in_background(partial(_sync_file, os.fspath(file)))
                return


def _sync_file(path: str) -> None:
    """Have the disk write what there is of a file; what fails here fails when the object is adopted, and is told."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
