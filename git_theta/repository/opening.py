"""A repository opened: the one place that opens its store and its state database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.context import Context
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.store.leftovers import sweep_temporaries
from git_theta.store.local import LocalStore
from git_theta.vcs import index
from git_theta.vcs.discovery import Repository


@contextmanager
def open_context(
    repository: Repository, warn: Callable[[str], None], progress: Callable[[int], None] = lambda _: None
) -> Iterator[Context]:
    """A context with this repository's store, state and remotes; its threads end with the ``with`` block.

    Args:
        repository: the one to work in.
        warn: says one thing to the person.
        progress: told of every byte that is done.
    """
    theta = repository.theta_dir
    store = open_store(repository)
    state, workers = StateDatabase(theta / "state.sqlite"), Workers()
    try:
        yield Context(
            store=store,
            state=state,
            workers=workers,
            scratch=theta / "tmp",
            warn=warn,
            staged_manifest=partial(_read_staged_manifest, repository.worktree),
            fetch=partial(_fetch_objects, store, repository.worktree or repository.git_dir),
            progress=progress,
        )
    finally:
        workers.close()
        state.close()


def open_store(repository: Repository) -> LocalStore:
    """The objects of this repository, and of those that it borrows from; swept of what killed processes left."""
    sweep_temporaries(repository.theta_dir / "tmp")
    return LocalStore(repository.theta_dir, repository.alternates())


def conflicts_dir(repository: Repository) -> Path:
    """Where it is noted how far the conflicts of this worktree are settled."""
    return repository.git_dir / "theta" / "conflicts"


def _read_staged_manifest(worktree: Path | None, path: str) -> Manifest | None:
    text = index.read_staged(path, worktree)
    try:
        return decode_manifest(text) if text else None
    except ManifestError:  # the file was committed raw, or by a newer release
        return None


def _fetch_objects(store: LocalStore, top: Path, oids: Iterable[str]) -> list[str]:
    """Ask each remote in turn for what is missing or was cut off, until it is there; why those asked did not help."""
    from git_theta.vcs import remotes

    wanted = list(oids)
    for oid in wanted:
        store.set_aside(oid)
    reasons = []
    for name, url in remotes.remote_urls().items():
        if missing := [oid for oid in wanted if not store.has(oid)]:
            why = _fetch_from_remote(store, top, name, url, missing)
            reasons += [f"{name} ({remotes.redact_url(url)}): {why}"] if why else []
    return reasons


def _fetch_from_remote(store: LocalStore, top: Path, name: str, url: str, oids: list[str]) -> str:
    """Fetch from one remote what it has; why not all of it is here then, or ""."""
    from git_theta.transport.directory import DirectoryTransport
    from git_theta.vcs import remotes

    remote = remotes.local_repository(url, top)
    if remote is None:
        return "no repository is there" if remotes.is_local(url) else "this release fetches from directories only"
    damaged = DirectoryTransport(store, remote.theta_dir, remote.alternates()).fetch(oids)
    if damaged:
        return f"the copy on {name} is damaged: {damaged[0]}"
    return "" if all(map(store.has, oids)) else "has no such objects"
