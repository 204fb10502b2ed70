"""A scratch repository whose remote may be silent: the person is told while Git waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from git_theta.transport.patience import SilenceClock, run_bounded
from git_theta.vcs.blob_repository import BlobRepository
from git_theta.vcs.remote_settings import RemoteAccess
from git_theta.vcs.scratch_repository import PushAnswer

_Result = TypeVar("_Result")


class WatchedRepository(BlobRepository):
    """Its files grow while anything arrives, and while Git says how much it has sent: else the remote is silent.

    Args:
        folder, access: as for the repository.
        clock: watches what the remote does.
    """

    def __init__(self, folder: Path, access: RemoteAccess, clock: SilenceClock) -> None:
        self._clock = clock
        super().__init__(folder, access)

    def fetch(self, refspecs: Iterable[str], *, depth: int | None = None, blobs: bool = True) -> None:
        self._wait_for(partial(super().fetch, list(refspecs), depth=depth, blobs=blobs))

    def list_remote_refs(self, *patterns: str) -> dict[str, str]:
        return self._wait_for(partial(super().list_remote_refs, *patterns))

    def push(self, oid: str, ref: str, expected: str) -> PushAnswer:
        return self._wait_for(partial(super().push, oid, ref, expected))

    def force_push(self, ref: str) -> None:
        self._wait_for(partial(super().force_push, ref))

    def _wait_for(self, action: Callable[[], _Result]) -> _Result:
        return run_bounded(action, self._clock, self.measure_files)
