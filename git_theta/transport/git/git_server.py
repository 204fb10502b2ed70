"""A Git server that holds objects: scratch repositories that talk to it, and its words as errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import GitError, TransportError
from git_theta.store.files import make_folder
from git_theta.transport.patience import SilenceClock
from git_theta.transport.urls import redact_url
from git_theta.transport.watched_program import wait_watched
from git_theta.vcs.blob_repository import BlobRepository
from git_theta.vcs.remote_settings import RemoteAccess


class GitServer:
    """A remote, as Git gets to it.

    Args:
        access: how Git gets there.
        theta: the theta directory, in which scratch repositories are made.
        clock: watches the server.

    Attributes:
        algorithm: the hash of its repository: ``sha1`` or ``sha256``.
    """

    def __init__(self, access: RemoteAccess, theta: Path, clock: SilenceClock) -> None:
        self._access, self._theta, self._clock = access, theta, clock
        self.algorithm = access.algorithm

    def open_scratch(self) -> BlobRepository:
        """A new scratch repository; close it."""
        folder = self._theta / "tmp"
        make_folder(folder, self._theta)
        return BlobRepository(folder, self._access, wait_watched(self._clock))

    @contextmanager
    def talk(self) -> Iterator[BlobRepository]:
        """A scratch repository while the ``with`` block lasts. What Git says in it is raised as TransportError."""
        with self.as_transport_errors(), self.open_scratch() as scratch:
            yield scratch

    @contextmanager
    def as_transport_errors(self) -> Iterator[None]:
        """Have what Git says raised as TransportError, without passwords."""
        try:
            yield
        except GitError as error:
            words = error.message.replace(self._access.url, redact_url(self._access.url))
            raise TransportError(words, hint="See whether Git itself gets there: git ls-remote") from None
