"""Which transport a remote gets: decided from its URL alone, by Git's own rules."""

from __future__ import annotations

from collections.abc import Callable

from git_theta.store.base import Store
from git_theta.transport.base import Transport
from git_theta.transport.directory import DirectoryTransport
from git_theta.transport.urls import local_path

OpenDirectory = Callable[[str], Store | None]
"""The store of the repository at a path, as Git finds it there; None where no repository is."""


def choose_transport(url: str, ours: Store, open_directory: OpenDirectory) -> Transport | str:
    """The transport between a store of ours and the remote of that URL, or why there is none."""
    path = local_path(url)
    if path is None:
        return "this release shares objects with directories only"
    theirs = open_directory(path)
    return DirectoryTransport(ours, theirs) if theirs else "no repository is there"
