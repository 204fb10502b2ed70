"""SHA-256 of bytes that come in pieces: what a tensor is known by."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

from git_theta.tensors.arrays import Buffer
from git_theta.tensors.values import Values

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_THREADED_SIZE = 8 << 20
"""Bytes from which it pays to hash on a thread of its own, while the caller reads or writes."""
_MAX_PENDING = 16
"""Pieces that the thread may lag behind."""


class Digest:
    """The hash of about ``expected`` bytes. Pieces must not change after ``update``.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, expected: int) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._thread = _hash_thread() if expected >= _THREADED_SIZE else None
        self._behind: deque[Future[None]] = deque()

    def __enter__(self) -> Digest:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread:
            self._thread.shutdown(cancel_futures=True)

    def update(self, piece: Buffer) -> None:
        """Append a piece."""
        self.size += len(piece)
        if self._thread is None:
            self._digest.update(piece)
            return
        self._behind.append(self._thread.submit(self._digest.update, piece))
        if len(self._behind) > _MAX_PENDING:
            self._behind.popleft().result()

    def oid(self) -> str:
        """The hash of all pieces, in lower-case hex."""
        while self._behind:
            self._behind.popleft().result()
        return self._digest.hexdigest()


def hash_values(values: Values) -> str:
    """The hash of a tensor's bytes, which are read once."""
    digest = hashlib.sha256()
    for block in values.blocks():
        digest.update(block)
    return digest.hexdigest()


def _hash_thread() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, "theta-hash")
