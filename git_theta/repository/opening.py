"""A repository opened: the one place that opens its store and its state database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from git_theta.operations.context import NOT_SHOWN, Context, Progress
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.repository.staged_files import StagedFiles
from git_theta.repository.storage_preferences import read_preferences
from git_theta.store.base import STORES, Store
from git_theta.store.leftovers import sweep_temporaries
from git_theta.store.local import LocalStore
from git_theta.vcs import alternates, config
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import scrubbed_environment


@contextmanager
def open_context(
    repository: Repository, warn: Callable[[str], None], progress: Progress = NOT_SHOWN
) -> Iterator[Context]:
    """A context with this repository's store, state and remotes; its threads end with the ``with`` block.

    Args:
        repository: the one to work in.
        warn: says one thing to the person.
        progress: told of every byte that is done, and shows what is fetched.
    """
    theta = repository.theta_dir
    store = open_store(repository)
    state, workers, staged = StateDatabase(theta / "state.sqlite"), Workers(), StagedFiles(repository.worktree)
    try:
        yield Context(
            store=store,
            state=state,
            workers=workers,
            scratch=theta / "tmp",
            warn=warn,
            staged_manifest=staged.take_manifest,
            staged_blob=staged.read_blob,
            fetch=partial(_fetch, store, repository, progress),
            progress=progress,
            preferences=cache(partial(read_preferences, repository.worktree or repository.git_dir)),
        )
    finally:
        workers.close()
        state.close()


def open_store(repository: Repository) -> Store:
    """The objects of the repository we are in, and of those that it borrows from.

    What killed processes left is swept.
    """
    for folder in (repository.theta_dir, repository.theta_dir / "objects"):  # where those are on another file system
        sweep_temporaries(folder / "tmp")
    return _open_chain(repository.theta_dir, config.chosen_store(), alternates.alternates_of(repository).found)


def open_other_store(path: str, top: Path) -> Store | None:
    """The objects of the repository at a path, as its own configuration keeps them; None where there is none.

    A relative path starts at ``top``.
    """
    from git_theta.vcs import remotes

    other = remotes.find_directory_repository(path, top)
    if other is None:
        return None
    borrowed = alternates.read_alternates(other.objects_dir).found
    return _open_chain(other.theta_dir, _chosen_at(other.git_dir), borrowed)


def conflicts_dir(repository: Repository) -> Path:
    """Where it is noted how far the conflicts of this worktree are settled."""
    return repository.git_dir / "theta" / "conflicts"


def _open_chain(theta: Path, chosen: str, borrowed: Iterable[Path]) -> Store:
    """The store of a theta directory, and those beside the object directories that its repository borrows from."""
    own = _open_named(chosen, theta)
    # What was stored before another store was chosen is read as before.
    lenders: list[Store] = [LocalStore(theta)] if chosen != LocalStore.name and (theta / "objects").is_dir() else []
    lenders += [_open_named(_chosen_at(objects.parent), objects.parent / "theta") for objects in borrowed]
    if not lenders:
        return own
    from git_theta.store.chain import StoreChain

    return StoreChain(own, lenders)


def _open_named(name: str, theta: Path) -> Store:
    """The store of that name in a theta directory. Raises PluginError where none of that name is installed."""
    kind = STORES.load_plugin(name)
    if kind is LocalStore:
        return kind.open(theta)
    from git_theta.store.guarded_store import GuardedStore

    return GuardedStore.open_named(name, theta)


def _chosen_at(git_dir: Path) -> str:
    """The store that another repository's configuration names."""
    return config.chosen_store(cwd=git_dir, env=scrubbed_environment())


def _fetch(store: Store, repository: Repository, progress: Progress, objects: Mapping[str, int]) -> list[str]:
    from git_theta.repository.object_fetch import fetch_objects
    from git_theta.store.inbox import Inbox

    top = repository.worktree or repository.git_dir
    inbox = Inbox(store, repository.theta_dir)
    with progress.show_work("Fetching objects", sum(objects.values()), len(objects)):
        return fetch_objects(objects, store, inbox, lambda path: open_other_store(path, top), progress.finish_item)
