"""The store of a repository, opened: the one place that does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from git_theta.store.base import STORES, Store
from git_theta.store.leftovers import sweep_temporaries
from git_theta.store.local import LocalStore
from git_theta.vcs import alternates, config
from git_theta.vcs.discovery import Repository


def open_store(repository: Repository, chosen: str | None = None) -> Store:
    """The objects of the repository we are in, and of those that it borrows from.

    What killed processes left is swept. ``chosen``: the store that the configuration names; None to read it.
    """
    theta = repository.theta_dir
    store = open_store_at(theta, chosen or config.chosen_store(), alternates.alternates_of(repository).found)
    if any(theta.glob("tmp/*/lfs")):
        from git_theta.store.inbox import Inbox
        from git_theta.transport.lfs.partial_downloads import rescue_downloads

        rescue_downloads(theta / "tmp", Inbox(store, theta))
    for folder in (theta, theta / "objects"):  # where those are on another file system
        sweep_temporaries(folder / "tmp")
    return store


def open_own_stores(repository: Repository) -> list[Store]:
    """The stores of the repository we are in, without those that it borrows from: the one that is written, and what it
    used before that was chosen.
    """
    chosen, theta = config.chosen_store(), repository.theta_dir
    return [_open_named(chosen, theta), *_open_former(chosen, theta)]


def open_other_store(path: str, top: Path) -> Store | None:
    """The objects of the repository at a path, as its own configuration keeps them; None where there is none.

    A relative path starts at ``top``.
    """
    from git_theta.vcs import remotes

    other = remotes.find_directory_repository(path, top)
    if other is None:
        return None
    borrowed = alternates.read_alternates(other.objects_dir).found
    return open_store_at(other.theta_dir, config.chosen_store_at(other.git_dir), borrowed)


def open_store_at(theta: Path, chosen: str, borrowed: Iterable[Path]) -> Store:
    """The store of a theta directory, and those beside the object directories that its repository borrows from.

    ``chosen``: the store's name. Raises PluginError where none of that name is installed.
    """
    own, former = _open_named(chosen, theta), _open_former(chosen, theta)
    lenders = [_open_named(config.chosen_store_at(objects.parent), objects.parent / "theta") for objects in borrowed]
    if not lenders and not former:
        return own
    from git_theta.store.chain import StoreChain

    return StoreChain(own, lenders, former)


def _open_former(chosen: str, theta: Path) -> list[Store]:
    """What a theta directory had before another store was chosen, which is read as before."""
    return [LocalStore(theta)] if chosen != LocalStore.name and (theta / "objects").is_dir() else []


def _open_named(name: str, theta: Path) -> Store:
    """The store of that name in a theta directory. Raises PluginError where none of that name is installed."""
    kind = STORES.load_plugin(name)
    if kind is LocalStore:
        return kind.open(theta)
    from git_theta.store.guarded_store import GuardedStore

    return GuardedStore.open_named(name, theta)
