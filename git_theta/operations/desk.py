"""What an operation works with: the store and the functions that reach outside, handed down by who knows Git."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from git_theta.manifest.model import Manifest
from git_theta.operations.state import State
from git_theta.operations.workers import Workers
from git_theta.store.base import Store


def _nothing_more(oids: Iterable[str]) -> None:
    """No remote to fetch from."""


def _quiet(done: int) -> None:
    """No progress to show."""


@dataclass(frozen=True)
class Desk:
    """Handed to every operation.

    Attributes:
        store: where objects are.
        state: what this clone remembers; may be thrown away at any time.
        workers: threads.
        scratch: a directory on the store's file system for temporary files.
        warn: say one thing to the person.
        prior: the manifest that the index holds for a path, or None.
        fetch: try to bring these objects into the store.
        progress: tell that so many more bytes are done.
    """

    store: Store
    state: State
    workers: Workers
    scratch: Path
    warn: Callable[[str], None]
    prior: Callable[[str], Manifest | None] = field(default=lambda _: None)
    fetch: Callable[[Iterable[str]], None] = _nothing_more
    progress: Callable[[int], None] = _quiet
