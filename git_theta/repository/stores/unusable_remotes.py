"""Remotes that turned out to be of no use: a command asks each once, however often it opens the repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_theta.errors import ThetaError
    from git_theta.vcs.remotes import FetchSource

_FOUND: ContextVar[dict[FetchSource, ThetaError] | None] = ContextVar("unusable remotes", default=None)


@contextmanager
def asking_once() -> Iterator[None]:
    """Have all contexts that are opened while the ``with`` block runs know what one of them found."""
    token = _FOUND.set({})
    try:
        yield
    finally:
        _FOUND.reset(token)


def find_unusable() -> dict[FetchSource, ThetaError]:
    """What is known of remotes by now, and why; whoever finds another one adds it."""
    found = _FOUND.get()
    return {} if found is None else found
